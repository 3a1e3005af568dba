"""Random SwinIRs of every form, for the tests."""

import torch
from hypothesis import strategies as st

from karat.convert.torch_models.swinir import SwinIR

TAILS = [("pixelshuffle", 2), ("pixelshuffle", 3), ("pixelshuffle", 4), ("pixelshuffledirect", 2)]
TAILS += [("pixelshuffledirect", 3), ("nearest+conv", 2), ("nearest+conv", 4), ("", 1)]


@st.composite
def swinir_arguments(draw, tail):
    """The official constructor's arguments for a network with that tail, and a picture's (height, width)."""
    window = draw(st.sampled_from([2, 3, 4, 7]), label="window")
    heads = draw(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2), label="heads")
    single = draw(st.booleans(), label="built for one window")
    divisors = [n for n in range(2, window + 1) if window % n == 0]  # else the official code fails at every size
    size = draw(st.sampled_from(divisors), label="img_size") if single else 2 * window
    ape = draw(st.booleans(), label="ape") and not (single and size != window)
    arguments = {
        "img_size": size,
        "in_chans": draw(st.sampled_from([1, 3]), label="channels"),
        "embed_dim": 12,
        "depths": [draw(st.integers(1, 3), label="depth") for _ in heads],
        "num_heads": heads,
        "window_size": window,
        "mlp_ratio": draw(st.sampled_from([1.0, 2.0, 2.5]), label="mlp_ratio"),
        "qkv_bias": draw(st.booleans(), label="qkv_bias"),
        "qk_scale": draw(st.sampled_from([None, 0.3]), label="qk_scale"),
        "ape": ape,
        "patch_norm": draw(st.booleans(), label="patch_norm"),
        "upscale": tail[1],
        "img_range": draw(st.sampled_from([1.0, 255.0]), label="img_range"),
        "upsampler": tail[0],
        "resi_connection": draw(st.sampled_from(["1conv", "3conv"]), label="resi_connection"),
    }
    if ape:
        return arguments, (size, size)
    sides = st.integers(window // 2 + 1, 2 * window + 1)  # reflect padding must be possible in PyTorch too
    return arguments, (draw(sides, label="height"), draw(sides, label="width"))


def random_swinir(arguments, seed):
    """A float64 twin whose norms, biases and tables are not what they start as."""
    torch.manual_seed(seed)
    net = SwinIR(**arguments).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def explicit(arguments):
    """What `karat.load` cannot derive from the shapes."""
    return {
        "img_range": arguments["img_range"],
        "qk_scale": arguments["qk_scale"],
        "window_size": arguments["window_size"],
    }
