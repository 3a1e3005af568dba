"""Operators whose rounding-error bounds are tested, and one executed operation on random numbers."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mil_programs import model, operation, write_package

from karat.convert.mil import open_package

INT = np.int32
IMAGE = (1, 4, 6, 8)


def half(number):
    return np.float16(number)


def unary(kind, **parameters):
    """An operator of one input over rows of 64."""
    return (7, 64), lambda rng: (kind, parameters)


def pictured(kind, **parameters):
    """An operator of one input over images."""
    return IMAGE, lambda rng: (kind, parameters)


def drawn(kind, shape, shapes, **parameters):
    """An operator whose other parameters, of the given shapes, are drawn."""

    def make(rng):
        return kind, {name: rng.normal(size=s).astype(np.float16) for name, s in shapes.items()} | parameters

    return shape, make


def weights(rng, shape):
    return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float16)


def convolution(channels):
    def make(rng):
        parameters = {"weight": weights(rng, (4, channels, 3, 3)), "bias": weights(rng, (4,))}
        return "conv", parameters | {"pad_type": np.array("custom"), "pad": np.ones(4, INT)}

    return (1, channels, 6, 6), make


def transposed(channels):
    def make(rng):
        parameters = {"weight": weights(rng, (channels, 4, 4, 4)), "bias": weights(rng, (4,))}
        return "conv_transpose", parameters | {"strides": np.array([2, 2], INT)}

    return (1, channels, 5, 4), make


def linear(width):
    return (9, width), lambda rng: ("linear", {"weight": weights(rng, (8, width)), "bias": weights(rng, (8,))})


def layer_norm(width):
    def make(rng):
        affine = {"gamma": weights(rng, (width,)), "beta": weights(rng, (width,))}
        return "layer_norm", affine | {"axes": np.array([-1], INT), "epsilon": half(1e-5)}

    return (9, width), make


def batch_norm(rng):
    affine = {name: rng.normal(size=4).astype(np.float16) for name in ("mean", "gamma", "beta")}
    return "batch_norm", affine | {"variance": rng.uniform(0.1, 2, 4).astype(np.float16), "epsilon": half(1e-5)}


def binary(kind):
    return drawn(kind, (7, 64), {"y": (7, 64)})


def scattered(mode, count=20):
    """20 updates of rows, which meet at places."""

    def make(rng):
        updates = rng.normal(size=(count, 5)).astype(np.float16)
        places = {"indices": rng.permutation(30)[:count].astype(INT) % (30 if mode == "mul" else 8), "axis": INT(0)}
        return "scatter", {"updates": updates, "mode": np.array(mode)} | places

    return (30, 5), make


def sampled(kind, **parameters):
    modes = {"sampling_mode": "bilinear", "padding_mode": "constant", "coordinates_mode": "normalized_minus_one_to_one"}
    modes = {name: np.array(mode) for name, mode in modes.items()}
    modes |= {"padding_value": half(0.3), "align_corners": np.True_}

    def make(rng):
        place = rng.uniform(-1.2, 1.2, (1, 5, 7, 2)) if kind == "resample" else rng.normal(size=(1, 6))
        name = "coordinates" if kind == "resample" else "transform_matrix"
        return kind, modes | parameters | {name: place.astype(np.float16)}

    return IMAGE, make


def attention(rng):
    return "scaled_dot_product_attention", {
        name: rng.normal(size=(2, 9, 16)).astype(np.float16) for name in ("key", "value")
    }


def masked(rng):
    """Every second score is taken out, one of a row never is."""
    kind, parameters = attention(rng)
    mask = np.where(np.arange(9) % 2 * (rng.random((9, 9)) < 0.9), -np.inf, rng.normal(size=(9, 9)))
    return kind, parameters | {"attn_mask": mask.astype(np.float16)}


AXES, SPATIAL = {"axes": np.array([-1], INT)}, {"axes": np.array([2, 3], INT)}
BOXES = np.array([[0.2, 0.1, 4.7, 6.9], [1, 1, 3, 5]], np.float16)
# operator: ((shape of x, from a random generator to (MIL type, parameters)), most that bound / observed may be, median)
OPERATORS = {
    "add": (binary("add"), 1),
    "sub": (binary("sub"), 1),
    "mul": (binary("mul"), 1),
    "real_div": (binary("real_div"), 1),
    "clip": (unary("clip", alpha=half(-0.3), beta=half(0.7)), 1),
    "reshape": (unary("reshape", shape=np.array([64, 7], INT)), 1),
    "transpose": (unary("transpose", perm=np.array([1, 0], INT)), 1),
    "gather": (unary("gather", indices=np.array([3, 1, 2], INT), axis=INT(0)), 1),
    "gelu": (unary("gelu", mode=np.array("EXACT")), 5),
    "gelu by tanh": (unary("gelu", mode=np.array("TANH_APPROXIMATION")), 5),
    "leaky_relu": (unary("leaky_relu", alpha=half(0.2)), 5),
    "prelu": (drawn("prelu", IMAGE, {"alpha": (4,)}), 5),
    "clamped_relu": (unary("clamped_relu", alpha=half(0.2), beta=half(0.7)), 5),
    "elu": (unary("elu", alpha=half(0.7)), 5),
    "linear_activation": (unary("linear_activation", alpha=half(0.7), beta=half(-0.3)), 5),
    "sigmoid": (unary("sigmoid"), 5),
    "sigmoid_hard": (unary("sigmoid_hard", alpha=half(0.2), beta=half(0.5)), 5),
    "silu": (unary("silu"), 5),
    "softplus": (unary("softplus"), 5),
    "softplus_parametric": (drawn("softplus_parametric", IMAGE, {"alpha": (4,), "beta": (4,)}), 5),
    "softsign": (unary("softsign"), 5),
    "tanh": (unary("tanh"), 5),
    "scaled_tanh": (unary("scaled_tanh", alpha=half(1.7), beta=half(0.6)), 5),
    "exp": (unary("exp"), 5),
    "atan": (unary("atan"), 5),
    "cosh": (unary("cosh"), 5),
    "sin": (unary("sin"), 5),
    "tan": (unary("tan"), 5),
    "log": (unary("log", epsilon=half(1e-4)), 5),
    "rsqrt": (unary("rsqrt", epsilon=half(1e-4)), 5),
    "reduce_log_sum 64": (unary("reduce_log_sum", **AXES), 5),
    "inverse": (unary("inverse", epsilon=half(1e-4)), 5),
    "pow": (unary("pow", y=half(2.5)), 5),
    "mod": (binary("mod"), 5),
    "floor_div": (binary("floor_div"), 5),
    "softmax": (unary("softmax", axis=INT(-1)), 5),
    "layer_norm 60": (layer_norm(60), 5),
    "layer_norm 180": (layer_norm(180), 5),
    "instance_norm 48": (drawn("instance_norm", IMAGE, {"gamma": (4,), "beta": (4,)}, epsilon=half(1e-5)), 5),
    "batch_norm": ((IMAGE, batch_norm), 5),
    "l2_norm 192": (pictured("l2_norm", epsilon=half(1e-5)), 5),
    "local_response_norm": (
        pictured("local_response_norm", size=INT(3), alpha=half(0.1), beta=half(0.75), k=half(1)),
        5,
    ),
    "linear 60": (linear(60), 10),
    "linear 180": (linear(180), 10),
    "linear 360": (linear(360), 10),
    "conv 540": (convolution(60), 10),
    "conv 576": (convolution(64), 10),
    "conv 1620": (convolution(180), 40),
    "conv_transpose 256": (transposed(64), 10),
    "attention 16, 9": (((2, 9, 16), attention), 5),
    "attention, masked": (((2, 9, 16), masked), 10),
    "average pool": (pictured("avg_pool", kernel_sizes=np.array([2, 2], INT)), 10),
    "l2 pool": (pictured("l2_pool", kernel_sizes=np.array([2, 2], INT)), 5),
    "reduce_mean 48": (pictured("reduce_mean", **SPATIAL), 5),
    "reduce_sum_square 64": (unary("reduce_sum_square", **AXES), 5),
    "reduce_l1_norm 64": (unary("reduce_l1_norm", **AXES), 5),
    "reduce_l2_norm 64": (unary("reduce_l2_norm", **AXES), 5),
    "reduce_log_sum_exp 64": (unary("reduce_log_sum_exp", **AXES), 5),
    "reduce_prod 7": (unary("reduce_prod", axes=np.array([0], INT)), 5),
    "cumsum 64": (unary("cumsum", axis=INT(1)), 5),
    "upsample_bilinear": (
        pictured("upsample_bilinear", scale_factor_height=half(2), scale_factor_width=half(3), align_corners=np.False_),
        5,
    ),
    "resize_bilinear": (pictured("resize_bilinear", target_size_height=INT(9), target_size_width=INT(5)), 5),
    "resize": (pictured("resize", shape=np.array([0, 11, 5], INT), resized_dims=INT(2)), 5),
    "resample": (sampled("resample"), 5),
    "affine": (sampled("affine", output_height=INT(5), output_width=INT(7)), 5),
    "crop_resize": (
        pictured("crop_resize", boxes=BOXES, box_indices=np.zeros(2, INT), target_height=INT(4), target_width=INT(5)),
        5,
    ),
    "scatter, add": (scattered("add"), 5),
    "scatter, mul": (scattered("mul"), 5),
    "scatter, update": (scattered("update"), 5),
}
IN_PLACE_OF_X = {"scaled_dot_product_attention": "query", "scatter": "data"}


def record(name, seed, dtype="float16", spread=1.0, octaves=4):
    """One executed operation on random numbers; ``spread`` times 2 to a power of at most so many octaves each."""
    (shape, make), _ = OPERATORS[name]
    rng = np.random.default_rng(seed)
    kind, parameters = make(rng)
    if dtype == "float32":
        parameters = {k: v.astype(dtype) if v.dtype == "float16" else v for k, v in parameters.items()}
    inputs = {IN_PLACE_OF_X.get(kind, "x"): "x"} | parameters
    message = model([("x", dtype, shape)], [operation(kind, inputs, [("y", dtype, None)])], ["y"])
    most = np.finfo(dtype).max
    x = rng.normal(size=shape) * spread * 2.0 ** rng.integers(-octaves, octaves + 1, shape)
    x = np.clip(x, -0.9 * most, 0.9 * most).astype(dtype)
    with TemporaryDirectory() as folder:
        (found,) = open_package(write_package(Path(folder) / "m.mlpackage", message)).trace({"x": x})
    return found


def nearness(name, dtype):
    """Median over elements of bound / observed; 1 where nothing is off."""
    ratios = [np.ones(0)]
    for seed in range(20):
        found = record(name, seed, dtype)
        off = (found.local_error > 0) & np.isfinite(found.bound)
        ratios.append(found.bound[off] / found.local_error[off])
    return np.median(np.concatenate(ratios)) if any(part.size for part in ratios) else 1.0
