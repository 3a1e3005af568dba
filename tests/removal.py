"""Heads and channels taken from networks, masked (set to zero) and removed, for the tests."""

from dataclasses import dataclass

import numpy as np

from karat.refimpl.load import load
from karat.refimpl.models import Model
from karat.refimpl.models.swin_widths import Block
from karat.refimpl.models.swinir_config import factors


@dataclass(frozen=True)
class Kept:
    """What stays of one Swin block: heads, of each its query/key and value channels, and hidden channels."""

    d: int
    heads: np.ndarray  # (h,)
    queries: np.ndarray  # (h, dk)
    values: np.ndarray  # (h, dv)
    hidden: np.ndarray

    @property
    def block(self):
        return Block(len(self.heads), self.queries.shape[1], self.values.shape[1], len(self.hidden))

    @property
    def columns(self):
        """Of proj: the values that stay, heads side by side."""
        return (self.heads[:, None] * self.d + self.values).ravel()

    def rows(self, channels):
        """Of qkv."""
        queries = (self.heads[:, None] * self.d + self.queries).ravel()
        return np.concatenate([queries, channels + queries, 2 * channels + self.columns])


def some(rng, count, least=1, most=None):
    """At least one of so many indices, in order."""
    size = rng.integers(least, (count if most is None else most) + 1)
    return np.sort(rng.choice(count, size, replace=False))


def choose(config, what, seed):
    """Kept by block path; ``what`` holds some of "heads", "queries", "values" and "hidden"."""
    rng, kept = np.random.default_rng(seed), {}
    for path, block in config.paths.items():
        d = block.qk_width

        def channels(kind, count, d=d):
            width = rng.integers(1, d) if kind in what else d
            return np.array([np.sort(rng.choice(d, width, replace=False)) for _ in range(count)])

        heads = some(rng, block.heads) if "heads" in what else np.arange(block.heads)
        hidden = some(rng, block.hidden) if "hidden" in what else np.arange(block.hidden)
        kept[path] = Kept(d, heads, channels("queries", len(heads)), channels("values", len(heads)), hidden)
    return kept


def _cut(path, one, channels):
    """(parameter, axis, what stays of that axis) for everything that a block's removal touches."""
    yield from ((f"{path}.attn.qkv.{kind}", 0, one.rows(channels)) for kind in ("weight", "bias"))
    yield f"{path}.attn.proj.weight", 1, one.columns
    yield f"{path}.attn.relative_position_bias_table", 1, one.heads
    yield from ((f"{path}.mlp.fc1.{kind}", 0, one.hidden) for kind in ("weight", "bias"))
    yield f"{path}.mlp.fc2.weight", 1, one.hidden


def zeroed(value, axis, stays):
    """The same array with zeros where an index of that axis does not stay."""
    shape = [-1 if i == axis else 1 for i in range(value.ndim)]
    return value * np.isin(np.arange(value.shape[axis]), stays).reshape(shape)


def apply(parameters, cuts, how):
    """Parameters with every cut done: ``zeroed`` or ``np.take``."""
    done = dict(parameters)
    for name, axis, stays in cuts:
        if name in done:  # qkv may have no bias
            done[name] = zeroed(done[name], axis, stays) if how == "masked" else np.take(done[name], stays, axis)
    return done


def swinir_cuts(config, kept):
    return [cut for path, one in kept.items() for cut in _cut(path, one, config.embed_dim)]


def remove_from_swinir(model, kept, **explicit):
    """(masked, removed) with the trained scales stored where channels of heads were removed."""
    cuts = swinir_cuts(model.config, kept)
    masked = Model(model.architecture, model.config, apply(model.parameters, cuts, "masked"))
    parameters = apply(model.parameters, cuts, "removed")
    if any(one.queries.shape[1] < one.d or one.values.shape[1] < one.d for one in kept.values()):
        scale = model.config.qk_scale
        for path, one in kept.items():
            parameters[f"{path}.attn:query.value"] = np.array(one.d**-0.5 if scale is None else scale)
    return masked, load(parameters, **explicit)


def in_swinir(config, kept):
    """From a layer of the masked network to the part that the removed one has."""

    def part(layer, value):
        path = next((path for path in kept if layer.startswith((f"{path}.", f"{path}:"))), None)
        if path is None:
            return value
        one, step = kept[path], layer.removeprefix(path)
        if step == ".attn.qkv":
            return value[..., one.rows(config.embed_dim)]
        if step == ".attn:query":
            return np.take_along_axis(value[:, one.heads], one.queries[None, :, None], -1)
        if step in (".attn:scores", ".attn:bias", ".attn:mask", ".attn:softmax"):
            return value[:, one.heads]
        if step == ".attn:weighted_sum":
            return value[..., one.columns]
        return value[..., one.hidden] if step in (".mlp.fc1", ".mlp.act") else value

    return part


def grouped(stays, size):
    """Channels that stay before a pixel shuffle or behind a pixel unshuffle: ``size`` for each."""
    return (stays[:, None] * size + np.arange(size)).ravel()


def tail_chain(config):
    """(convolution, features that it makes, channels per feature) of the tail, in order."""
    if config.upsampler == "pixelshuffle":
        rest = [(f"upsample.{2 * i}", factor**2) for i, factor in enumerate(factors(config.upscale))]
    else:
        rest = [(name, 1) for name in (*("conv_up1", "conv_up2")[: config.upscale // 2], "conv_hr")]
    return [("conv_before_upsample.0", 1), *rest]


def quicksrnet_chain(config):
    return [(f"cnn.{2 * i}", 1) for i in range(config.layers + 1)]


def remove_from_chain(model, chain, kept, last_group=1, **explicit):
    """(masked, removed) where features were taken from a chain of convolutions that ends in conv_last."""
    made, read, following = [], [], [name for name, _ in chain[1:]] + ["conv_last"]
    for (name, size), after, stays in zip(chain, following, kept, strict=True):
        made += [(f"{name}.{kind}", 0, grouped(stays, size)) for kind in ("weight", "bias")]
        read += [(f"{after}.weight", 1, grouped(stays, last_group if after == "conv_last" else 1))]
    masked = Model(model.architecture, model.config, apply(model.parameters, made, "masked"))
    return masked, load(apply(model.parameters, made + read, "removed"), **explicit)


def in_chain(chain, kept):
    """From a layer of the masked network to the part that the removed one has: channels, before and behind steps."""
    names = [name for name, _ in chain]
    made = {name: grouped(stays, size) for (name, size), stays in zip(chain, kept, strict=True)}
    known = dict(zip(names, kept, strict=True))

    def part(layer, value):
        if layer in made:
            return value[:, made[layer]]
        own, _, step = layer.partition(":")
        if step == "leaky_relu":
            return value[:, known[own]]
        if step == "nearest":  # reads the convolution before its own
            return value[:, kept[names.index(own) - 1]]
        head, _, number = layer.rpartition(".")
        if number.isdigit() and f"{head}.{int(number) - 1}" in known:  # the clip, ReLU or shuffle behind
            return value[:, known[f"{head}.{int(number) - 1}"]]
        if layer == "space_to_depth":
            return value[:, grouped(kept[-1], 4)]
        return value

    return part


def assert_same(masked, removed, x, part):
    """removed(x) == masked(x) to 1e-12, at every layer that both have and at the output."""
    golden = dict(masked.trace(x))
    names = []
    for layer, value in removed.trace(x):
        names.append(layer)
        expected = part(layer, golden[layer])
        assert value.shape == expected.shape, layer
        assert np.linalg.norm(value - expected) <= 1e-12 * np.linalg.norm(expected), layer
    assert names == list(golden) == list(removed.layers)
