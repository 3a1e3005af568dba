"""Six families of defects in the operations and how they are connected."""

import numpy as np

from .surgery import Unsuitable


def reshape(cut, rng):
    """Two different sizes exchanged in a reshape, as when H is taken for W."""
    op = cut.pick(rng, "reshape")
    shape = np.array(cut.shape(op))
    pairs = [(i, j) for j in range(len(shape)) for i in range(j) if shape[i] != shape[j]]
    if not pairs:
        raise Unsuitable
    i, j = pairs[rng.integers(len(pairs))]
    shape[[i, j]] = shape[[j, i]]
    cut.set_small(op, "shape", shape)
    cut.redeclare()
    return f"{op.outputs[0].name}: axes {i} and {j}", ""


def transpose(cut, rng):
    """Two axes exchanged in a transpose."""
    op = cut.pick(rng, "transpose")
    perm = cut.small(op, "perm")
    i, j = rng.choice(len(perm), 2, replace=False)
    perm[[i, j]] = perm[[j, i]]
    cut.set_small(op, "perm", perm)
    cut.redeclare()
    return f"{op.outputs[0].name}: perm {perm.tolist()}", ""


def shifted(cut, rng):
    """A roll or a slice that begins one place further, or a roll the other way."""
    op = cut.pick(rng, rng.choice(["gather", "slice_by_index"]))
    if op.type == "gather":
        indices = cut.small(op, "indices")
        if indices.size < 2 or indices.ndim != 1:
            raise Unsuitable
        one = rng.integers(3)
        other = [np.roll(indices, 1), np.roll(indices, -1), np.argsort(indices)][one]
        cut.set_small(op, "indices", other)
        return f"{op.outputs[0].name}: {['one back', 'one on', 'the other way'][one]}", ""
    begin, end = cut.small(op, "begin"), cut.small(op, "end")
    masked = cut.small(op, "end_mask") if "end_mask" in op.inputs else np.zeros(len(begin), bool)
    axes = np.flatnonzero(~masked.astype(bool))
    if not axes.size:
        raise Unsuitable
    axis, step = rng.choice(axes), rng.choice([-1, 1])
    begin[axis] += step
    end[axis] += step
    if begin[axis] < 0:
        raise Unsuitable
    cut.set_small(op, "begin", begin)
    cut.set_small(op, "end", end)
    return f"{op.outputs[0].name}: axis {axis} by {step:+d}", ""


def padding(cut, rng):
    """A convolution's padding to one side only, or a border of another kind."""
    op = cut.pick(rng, "conv", "pad")
    if op.type == "pad":
        mode = rng.choice(["constant", "replicate"])
        cut.set_small(op, "mode", [mode])
        return f"{op.outputs[0].name}: {mode}", ""
    pad = cut.small(op, "pad")
    if not pad.any():
        raise Unsuitable
    axis = 2 * rng.integers(2)
    way = rng.choice([-1, 1])
    pad[axis : axis + 2] += np.array([way, -way], pad.dtype)
    cut.set_small(op, "pad", pad)
    return f"{op.outputs[0].name}: pad {pad.tolist()}", ""


SHUFFLES = {
    "pixel_shuffle": ("depth_to_space", "upscale_factor", "block_size"),
    "pixel_unshuffle": ("space_to_depth", "downscale_factor", "block_size"),
}


def mode(cut, rng):
    """An operator in another mode: the other order of sub-pixels, softmax over another axis, GELU's approximation."""
    op = cut.pick(rng, rng.choice([*SHUFFLES, "softmax", "gelu"]))
    if op.type in SHUFFLES:
        op.type, old, new = SHUFFLES[op.type]
        op.inputs[new].CopyFrom(op.inputs[old])
        del op.inputs[old]
        return f"{op.outputs[0].name}: {op.type}", ""
    if op.type == "softmax":
        cut.set_small(op, "axis", [-2])
        return f"{op.outputs[0].name}: axis -2", ""
    cut.set_small(op, "mode", ["TANH_APPROXIMATION"])
    return f"{op.outputs[0].name}: tanh", ""


def wrong_tensor(cut, rng):
    """An operation reads another earlier variable of its shape: a residual of the wrong tensor, a layer left out."""
    computed = {op.outputs[0].name: op for op in cut.operations if op.type not in ("const", "cast")}
    op = cut.pick(rng, *{op.type for op in computed.values()})
    roles = [r for r in ("x", "y") if r in op.inputs and op.inputs[r].arguments[0].name in computed]
    if not roles:
        raise Unsuitable
    role = rng.choice(roles)
    binding = op.inputs[role].arguments[0]
    read, names = computed[binding.name], list(computed)
    earlier = names[: names.index(op.outputs[0].name)]
    kind = read.outputs[0].type
    others = [n for n in earlier if n != binding.name and computed[n].outputs[0].type == kind]
    if not others:
        raise Unsuitable
    site = f"{op.outputs[0].name}.{role}: {binding.name}"
    binding.name = others[rng.integers(len(others))]
    return f"{site} -> {binding.name}", ""


FAMILIES = {
    "sizes exchanged in a reshape": reshape,
    "axes exchanged in a transpose": transpose,
    "roll or slice off by one": shifted,
    "padding": padding,
    "operator in another mode": mode,
    "wrong tensor": wrong_tensor,
}
