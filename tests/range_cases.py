"""For every interval rule: inputs and parameters to try it on."""

import numpy as np


def box(rng, *shape, least=None):
    """(low, high) of a random box; ``least`` lifts it above that."""
    centre, radius = rng.normal(0, 2, shape), np.abs(rng.normal(0, 1, shape)) * (rng.random(shape) < 0.8)
    low, high = centre - radius, centre + radius
    if least is not None:
        low, high = least + np.abs(low), least + np.abs(low) + (high - low)
    return tuple(side.astype(np.float16).astype(np.float64) for side in (low, high))


def _normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float16).astype(np.float64)


def _x(*shape, **constants):
    return lambda rng: ({"x": box(rng, *shape)}, constants)


def _positive(*shape, **constants):
    return lambda rng: ({"x": box(rng, *shape, least=0.1)}, constants)


def _two(*shapes, least=None, **constants):
    first, second = shapes
    return lambda rng: ({"x": box(rng, *first), "y": box(rng, *second, least=least)}, constants)


def _weighted(name, shape, weight, **constants):
    def case(rng):
        out = weight[1] if name == "conv_transpose" else weight[0]
        return {"x": box(rng, *shape)}, constants | {"weight": _normal(rng, *weight), "bias": _normal(rng, out)}

    return case


def _channels(*names, **constants):
    return lambda rng: (
        {"x": box(rng, 2, 3, 4, 5)},
        constants | {n: np.abs(_normal(rng, 3)) if n == "variance" else _normal(rng, 3) for n in names},
    )


def _condition(rng):
    return {"a": box(rng, 2, 3), "b": box(rng, 2, 3)}, {"cond": rng.random((2, 3)) < 0.5}


def _several(rng):
    return {"values": (box(rng, 2, 3), box(rng, 2, 3))}, {"axis": 1}


def _einsum(rng):
    return {"values": (box(rng, 2, 3, 4), box(rng, 4, 3, 5))}, {"equation": "chw,whr->chr"}


def _within_one(rng):
    return {"x": tuple(np.clip(side / 8, -0.99, 0.99) for side in box(rng, 3, 4))}, {}


_SAMPLED = {"sampling_mode": "bilinear", "padding_mode": "constant", "padding_value": 0.3, "align_corners": True}
_SAMPLED |= {"coordinates_mode": "normalized_minus_one_to_one"}
FOUR = (1, 4, 4, 6)
MOVES = {
    "reshape": _x(2, 6, shape=[3, -1]),
    "transpose": _x(2, 3, 4, perm=[2, 0, 1]),
    "expand_dims": _x(2, 3, axes=[1]),
    "squeeze": _x(2, 1, 3, axes=[1]),
    "flatten2d": _x(2, 3, 4),
    "slice_by_index": _x(2, 6, begin=[0, 2], end=[2, 5]),
    "slice_by_size": _x(2, 6, begin=[0, 1], size=[2, -1]),
    "split": _x(2, 6, axis=1, num_splits=2),
    "tile": _x(2, 3, reps=[2, 1]),
    "reverse": _x(2, 3, axes=[1]),
    "identity": _x(2, 3),
    "gather": _x(4, 3, indices=np.array([3, 0, 1])),
    "gather_along_axis": _x(4, 3, indices=np.array([[3, 0, 1]])),
    "gather_nd": _x(4, 3, indices=np.array([[3, 0], [1, 2]])),
    "pixel_shuffle": _x(*FOUR, upscale_factor=2),
    "pixel_unshuffle": _x(*FOUR, downscale_factor=2),
    "depth_to_space": _x(*FOUR, block_size=2),
    "space_to_depth": _x(*FOUR, block_size=2),
    "upsample_nearest_neighbor": _x(*FOUR, scale_factor_height=2, scale_factor_width=3),
    "resize_nearest_neighbor": _x(*FOUR, target_size_height=5, target_size_width=7),
    "cast": _x(3, 4, dtype="int32"),
    "concat": _several,
    "stack": _several,
    "pad": _x(2, 3, 4, pad=[1, 1, 2, 0], mode="constant", constant_val=0.3),
    "shape": _x(2, 3),
    "fill": lambda rng: ({"value": (np.array(1.0), np.array(2.0))}, {"shape": [2, 3]}),
}
PRODUCTS = {
    "conv": _weighted("conv", (1, 4, 5, 6), (6, 2, 3, 3), groups=2, pad_type="custom", pad=[1, 0, 1, 2]),
    "conv_transpose": _weighted("conv_transpose", (1, 4, 3, 3), (4, 2, 3, 3), strides=[2, 2]),
    "linear": _weighted("linear", (3, 7), (5, 7)),
    "matmul": _two((2, 3, 4), (2, 5, 4), transpose_y=True),
    "einsum": _einsum,
    "add": _two((2, 3), (3,)),
    "sub": _two((2, 3), (3,)),
    "mul": _two((2, 3), (2, 1)),
    "real_div": _two((2, 3), (2, 1), least=0.2),
    "maximum": _two((2, 3), (3,)),
    "minimum": _two((2, 3), (3,)),
    "select": _condition,
}
COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
COMPARISONS += ("logical_and", "logical_or", "logical_xor")
PRODUCTS |= {name: _two((2, 3), (3,)) for name in COMPARISONS}
PLAIN = ("square", "abs", "relu", "relu6", "floor", "ceil", "round", "sign", "exp", "exp2", "sinh", "softplus")
PLAIN += ("softsign", "atan", "sigmoid", "tanh", "erf", "sin", "cos", "gelu", "silu", "softmax", "logical_not")
FUNCTIONS = {name: _x(3, 5) for name in PLAIN}
FUNCTIONS |= {
    "clip": _x(3, 4, alpha=-0.3, beta=1.1),
    "sqrt": _positive(3, 4),
    "rsqrt": _positive(3, 4, epsilon=1e-5),
    "inverse": _positive(3, 4, epsilon=1e-4),
    "log": _positive(3, 4, epsilon=1e-6),
    "leaky_relu": _x(3, 4, alpha=0.2),
    "prelu": lambda rng: ({"x": box(rng, 2, 3, 4)}, {"alpha": _normal(rng, 3)}),
    "linear_activation": _x(3, 4, alpha=-1.5, beta=0.4),
    "sigmoid_hard": _x(3, 4, alpha=0.2, beta=0.5),
    "elu": _x(3, 4, alpha=0.7),
    "layer_norm": lambda rng: (
        {"x": box(rng, 3, 8)},
        {"axes": [-1], "gamma": _normal(rng, 8), "beta": _normal(rng, 8), "epsilon": 1e-5},
    ),
    "instance_norm": _channels("gamma", "beta"),
    "batch_norm": _channels("mean", "variance", "gamma", "beta", epsilon=1e-3),
    "l2_norm": _x(2, 3, 4, 5),
    "upsample_bilinear": _x(*FOUR, scale_factor_height=2, scale_factor_width=2, align_corners=False),
    "resize_bilinear": _x(*FOUR, target_size_height=7, target_size_width=5),
    "resize": _x(*FOUR, shape=[8, 9], resized_dims=2),
    "avg_pool": _x(*FOUR, kernel_sizes=[2, 2], strides=[2, 2], pad_type="custom", pad=[1, 0, 0, 1]),
    "max_pool": _x(*FOUR, kernel_sizes=[2, 2], strides=[2, 2]),
    "l2_pool": _x(*FOUR, kernel_sizes=[2, 2]),
    "reduce_argmax": _x(3, 4, axis=1),
    "reduce_argmin": _x(3, 4, axis=0),
}
REDUCTIONS = ("max", "min", "sum", "mean", "sum_square", "l1_norm", "l2_norm")
FUNCTIONS |= {f"reduce_{name}": _x(2, 3, 4, axes=[1]) for name in REDUCTIONS}
MOVES |= {
    "crop": _x(1, 2, 4, 5, crop_height=[1, 0], crop_width=[1, 2]),
    "batch_to_space": _x(8, 1, 2, 3, block_shape=[2, 2], crops=[[0, 1], [1, 0]]),
    "space_to_batch": _x(1, 2, 4, 5, block_shape=[2, 3], paddings=[[0, 0], [1, 0]]),
    "reverse_sequence": _x(3, 4, lengths=[1, 4, 2], seq_axis=1, batch_axis=0),
    "sliding_windows": _x(5, 2, axis=0, size=2),
    "reshape_like": _x(2, 6, ref_tensors=(np.zeros((3, 4)),), begins=[0], ends=[2], end_masks=[False]),
    "band_part": _x(3, 4, lower=1, upper=0),
    "fill_like": lambda rng: ({"ref_tensor": box(rng, 2, 3)}, {"value": 0.5}),
    "one_hot": lambda rng: ({"indices": (np.zeros(4), np.full(4, 3.0))}, {"one_hot_vector_size": 3, "on_value": 2.0}),
    "topk": _x(3, 5, k=2, axis=1),
    "argsort": _x(3, 5, axis=1),
    "slice_update": lambda rng: (
        {"x": box(rng, 3, 4), "update": box(rng, 2, 2)},
        {"begin": [1, 0], "end": [3, 2]},
    ),
}
MIXTURES = {
    "scatter": lambda rng: (
        {"data": box(rng, 4, 3), "updates": box(rng, 5, 3)},
        {"indices": np.array([0, 3, 3, 1, 0]), "mode": str(rng.choice(["add", "update", "max", "min"]))},
    ),
    "scatter_along_axis": lambda rng: (
        {"data": box(rng, 4, 3), "updates": box(rng, 2, 3)},
        {"indices": np.array([[0, 3, 3], [0, 2, 1]]), "mode": "add"},
    ),
    "scatter_nd": lambda rng: (
        {"data": box(rng, 4, 3), "updates": box(rng, 3)},
        {"indices": np.array([[0, 1], [3, 2], [0, 1]]), "mode": "add"},
    ),
    "resample": lambda rng: (
        {"x": box(rng, *FOUR)},
        {"coordinates": rng.uniform(-1.2, 1.2, (1, 3, 5, 2))} | _SAMPLED,
    ),
    "affine": lambda rng: (
        {"x": box(rng, *FOUR)},
        {"transform_matrix": rng.normal(size=(1, 6)), "output_height": 3, "output_width": 5} | _SAMPLED,
    ),
    "crop_resize": lambda rng: (
        {"x": box(rng, *FOUR)},
        {"boxes": rng.uniform(-1, 7, (2, 4)), "box_indices": np.zeros(2, int), "target_height": 3, "target_width": 4},
    ),
    "scaled_dot_product_attention": lambda rng: (
        {"query": box(rng, 2, 3, 4), "key": box(rng, 2, 5, 4), "value": box(rng, 2, 5, 3)},
        {},
    ),
    "local_response_norm": _x(*FOUR, size=3, alpha=0.3, beta=0.75, k=0.5),
    "cumsum": _x(3, 4, axis=1),
    "reduce_log_sum_exp": _x(2, 3, 4, axes=[1]),
    "reduce_log_sum": _positive(2, 3, 4, axes=[1]),
    "threshold": _x(3, 4, alpha=0.3),
    "thresholded_relu": lambda rng: ({"x": box(rng, 3, 4)}, {"alpha": float(rng.choice([-0.7, 0.5]))}),
    "clamped_relu": _x(3, 4, alpha=-0.2, beta=0.7),
    "scaled_tanh": _x(3, 4, alpha=-1.7, beta=0.6),
    "softplus_parametric": lambda rng: ({"x": box(rng, 2, 3, 4)}, {"alpha": _normal(rng, 3), "beta": _normal(rng, 3)}),
    "pow": lambda rng: (
        ({"x": box(rng, 3, 4)}, {"y": np.float64(rng.choice([1, 2, 3]))})
        if rng.random() < 0.5
        else ({"x": box(rng, 3, 4, least=0.1)}, {"y": rng.normal(size=4)})
    ),
    "mod": _two((2, 3), (3,), least=0.1),
    "asin": _within_one,
    "acos": _within_one,
    "atanh": _within_one,
    "cosh": _x(3, 4),
}
CASES = MIXTURES | MOVES | PRODUCTS | FUNCTIONS
