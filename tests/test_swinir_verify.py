"""SwinIR through the whole comparison: honest packages of every form pass, seeded defects are called at their layer."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from swinir_networks import FORMS, network

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.mil import open_package
from karat.convert.torch_models import swinir

OPTIONS = [{}, {"precision": "float32"}, {"storage": "float32"}, {"keep_float32": ["layer_norm", "softmax"]}]
KEPT = [["conv_first"], ["mul"], ["conv", "linear", "matmul"], ["add"], ["layers.0.residual_group.blocks.1"]]
MIXED = [{"keep_float32": kept} for kept in KEPT] + [{"precision": "float32", "io": "float16"}, {"io": "float16"}]
PICTURES = {
    "black": lambda shape: np.zeros(shape),
    "white": lambda shape: np.ones(shape),
    "flat": lambda shape: np.full(shape, 0.37),
    "ramp": lambda shape: np.broadcast_to(np.linspace(0, 1, shape[-1]), shape),
}


def picture(model, height, width):
    return np.random.default_rng(0).random((1, model.config.channels, height, width))


def opened_twice(package):
    """With its sidecar, and as a foreign package, which has none."""
    yield open_package(package)
    package.with_suffix(".pairing.json").unlink()
    yield open_package(package)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_an_honest_package_is_not_blamed(tmp_path, form, options):
    net, model = network(form)
    x = picture(model, 2 * model.config.window, (2 if "position" in form else 3) * model.config.window)
    if form == "lightweight x3":
        x = x[:, :, :-1, :-3]  # to be padded
    package = export(net, tmp_path / "m.mlpackage", x.shape, **options)
    for program in opened_twice(package):
        verdict = verify(model, program, x)
        assert verdict.faithful is True, verdict.summary()
        judged = [row.layer for row in verdict.rows if row.variable]
        assert len(judged) > 0.8 * len(model.layers)
        attention = {layer for layer in model.layers if ".attn" in layer}
        assert attention <= set(judged)


@pytest.mark.parametrize("options", MIXED, ids=str)
@pytest.mark.parametrize("form", ["classical x2, 3conv", "JPEG, colour"])
def test_mixed_precision_is_not_blamed(tmp_path, form, options):
    net, model = network(form)
    x = picture(model, 8, 12)
    package = export(net, tmp_path / "m.mlpackage", x.shape, **options)
    verdict = verify(model, open_package(package), x)
    assert verdict.faithful is True, verdict.summary()


@pytest.mark.parametrize("form", ["lightweight x3", "JPEG, colour", "JPEG, grey, window 7"])
def test_a_picture_without_much_in_it_is_no_defect(tmp_path, form):
    net, model = network(form)
    shape = (1, model.config.channels, 2 * model.config.window - 1, 2 * model.config.window)
    program = open_package(export(net, tmp_path / "m.mlpackage", shape))
    for name, make in PICTURES.items():
        verdict = verify(model, program, make(shape))
        assert verdict.faithful is True, (name, verdict.summary())


BLOCK = "layers.0.residual_group.blocks.1"


def other_way(net, block):
    mask = block.mask(8, 12)
    block.shift, block.mask = -block.shift, lambda height, width: mask


def no_mask(net, block):
    block.mask = lambda height, width: torch.zeros(6, 16, 16)


def swapped(net, block):
    """H and W exchanged where the windows are cut."""
    partition = block.partition
    block.partition = lambda x, height, width: partition(x.reshape(-1, width, height, x.shape[-1]), width, height)


def transposed_index(net, block):
    block.attn.relative_position_index.copy_(block.attn.relative_position_index.T.clone())


def keys_for_queries(net, block):
    q, k, v = block.attn.qkv.weight.data.chunk(3)
    block.attn.qkv.weight.data = torch.cat([k, q, v])


def no_scale(net, block):
    block.attn.scale = 1.0


def scaled_twice(net, block):
    block.attn.scale = block.attn.scale**2


def weak_mask(net, block):
    mask = block.mask
    block.mask = lambda height, width: mask(height, width) / 10


def one_transposed(net, block):
    q, k, v = block.attn.qkv.weight.data.chunk(3)
    block.attn.qkv.weight.data = torch.cat([q, k.T, v])


def heads_permuted(net, block):
    def permuted(name, value):
        if not name.endswith(":weighted_sum"):
            return value
        return value.reshape(-1, 16, 2, 6).flip(2).reshape(-1, 16, 12)  # (B nW, N, heads, d)

    block.attn.recorder = permuted


def reversed_the_other_way(net, block):
    """H and W exchanged where the windows are put together."""
    reverse, dim = block.reverse, block.dim
    block.reverse = lambda windows, h, w: reverse(windows, w, h).reshape(-1, h, w, dim)


def last_column_unshifted(net, block):
    """The windows of the last column are cut out of the picture as it was."""
    before = {}
    block.norm1.register_forward_hook(lambda module, inputs, output: before.update(y=output))

    def unshifted(name, value):
        if not name.endswith(":cyclic_shift"):
            return value
        y = before["y"].reshape(value.shape)  # (B, 8, 12, C)
        shifted = y[:, (torch.arange(8) + 2) % 8][:, :, (torch.arange(8) + 2) % 12]
        return torch.cat([shifted, y[:, :, 8:]], dim=2)

    block.recorder = unshifted


def small_eps(net, block):
    block.norm1.eps = 1e-6


def large_eps(net, block):
    block.norm1.eps = 1e-3


def tail_slope(net, block):
    net.conv_before_upsample[1].negative_slope = 0.2


def two_ulp(net, block):
    weight = block.norm2.weight.data
    half = np.float16(weight[3].item())
    weight[3] = float(half + 2 * np.spacing(half))


def other_mean(net, block):
    net.mean = net.mean + 0.01


def tanh_gelu(net, block):
    block.mlp.act.approximate = "tanh"


def slope(net, block):
    net.layers[0].conv[1].negative_slope = 0.01


DEFECTS = {
    other_way: f"{BLOCK}:cyclic_shift",
    no_mask: f"{BLOCK}.attn:mask",
    swapped: f"{BLOCK}:window_partition",
    transposed_index: f"{BLOCK}.attn:bias",
    keys_for_queries: f"{BLOCK}.attn.qkv",
    no_scale: f"{BLOCK}.attn:query",
    scaled_twice: f"{BLOCK}.attn:query",
    weak_mask: f"{BLOCK}.attn:mask",
    one_transposed: f"{BLOCK}.attn.qkv",
    heads_permuted: f"{BLOCK}.attn:weighted_sum",
    reversed_the_other_way: f"{BLOCK}:window_reverse",
    last_column_unshifted: f"{BLOCK}:cyclic_shift",
    small_eps: f"{BLOCK}.norm1",
    large_eps: f"{BLOCK}.norm1",
    tail_slope: "conv_before_upsample.1",
    two_ulp: f"{BLOCK}.norm2",
    other_mean: ":normalise",
    tanh_gelu: f"{BLOCK}.mlp.act",
    slope: "layers.0.conv.1",
}


def called(tmp_path, form, defect, undo=lambda: None):
    """Culprits, with a sidecar and without, of a network with a defect in it, which must change its output."""
    net, model = network(form)
    x = picture(model, 8, 12)
    with torch.no_grad():
        honest = net(torch.from_numpy(x).float())
        defect(net, net.layers[0].residual_group.blocks[1])
        assert (net(torch.from_numpy(x).float()) - honest).abs().max() > 1e-7
    package = export(net, tmp_path / "m.mlpackage", x.shape)
    undo()
    verdicts = [verify(model, program, x) for program in opened_twice(package)]
    assert [verdict.faithful for verdict in verdicts] == [False, False]
    return [verdict.culprit.layer for verdict in verdicts]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_a_defect_is_called_at_its_layer(tmp_path, defect):
    assert called(tmp_path, "classical x2, 3conv", defect) == [DEFECTS[defect]] * 2


def wrong_corner(image, scale_factor, mode):
    """Nearest-neighbour upscaling that takes the right lower neighbour for odd rows and columns."""
    height, width = image.shape[2:]
    rows, columns = ((torch.arange(2 * n) + 1).div(2, rounding_mode="floor").clamp(max=n - 1) for n in (height, width))
    return image[:, :, rows][:, :, :, columns]


def test_nearest_by_the_wrong_corner_is_called(tmp_path, monkeypatch):
    def defect(net, block):
        honest = swinir.functional
        other = SimpleNamespace(pad=honest.pad, leaky_relu=honest.leaky_relu, interpolate=wrong_corner)
        monkeypatch.setattr(swinir, "functional", other)

    assert called(tmp_path, "real-world x4", defect, monkeypatch.undo) == ["conv_up1:nearest"] * 2
