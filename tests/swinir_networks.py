"""Random SwinIRs of every form, for the tests."""

import torch
from hypothesis import strategies as st

from karat.convert.torch_models.swinir import Stepping, SwinIR
from karat.refimpl.load import load

TAILS = [("pixelshuffle", 2), ("pixelshuffle", 3), ("pixelshuffle", 4), ("pixelshuffledirect", 2)]
TAILS += [("pixelshuffledirect", 3), ("nearest+conv", 2), ("nearest+conv", 4), ("", 1)]


# Every form with two blocks of one group: windows of 4, 12 features
BASE = {"img_size": 8, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4, "mlp_ratio": 2.0}
FORMS = {
    "classical x2, 3conv": {"upsampler": "pixelshuffle", "upscale": 2, "resi_connection": "3conv"},
    "lightweight x3": {"upsampler": "pixelshuffledirect", "upscale": 3, "num_heads": [3], "qk_scale": 0.4},
    "real-world x4": {"upsampler": "nearest+conv", "upscale": 4},
    "denoising": {"upsampler": "", "upscale": 1, "patch_norm": False, "qkv_bias": False},
    "JPEG, colour": {"upsampler": "", "upscale": 1, "img_range": 255.0},
    "grey denoising": {"upsampler": "", "upscale": 1, "in_chans": 1},
    "position embedding": {"upsampler": "pixelshuffledirect", "upscale": 2, "ape": True},
    "classical x2, range 255": {"upsampler": "pixelshuffle", "upscale": 2, "img_range": 255.0},
    "JPEG, grey, window 7": {"upsampler": "", "upscale": 1, "in_chans": 1, "img_range": 255.0, "window_size": 7},
}


@st.composite
def swinir_arguments(draw, tail, windows=(2, 3, 4, 7), numbers=(1, 2, 3), widths=(12,)):
    """The official constructor's arguments for a network with that tail, and a picture's (height, width).

    ``numbers`` of heads divide the ``widths`` of the features.
    """
    window = draw(st.sampled_from(windows), label="window")
    heads = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=2), label="heads")
    single = draw(st.booleans(), label="built for one window")
    divisors = [n for n in range(2, window + 1) if window % n == 0]  # else the official code fails at every size
    size = draw(st.sampled_from(divisors), label="img_size") if single else 2 * window
    ape = draw(st.booleans(), label="ape") and not (single and size != window)
    arguments = {
        "img_size": size,
        "in_chans": draw(st.sampled_from([1, 3]), label="channels"),
        "embed_dim": draw(st.sampled_from(widths), label="features"),
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


def network(form, seed=1):
    """(twin, golden model) of a form."""
    arguments = BASE | FORMS[form]
    net = random_swinir(arguments | {"img_size": 2 * arguments["window_size"]}, seed).float()
    explicit = {"img_range": arguments.get("img_range", 1.0), "qk_scale": arguments.get("qk_scale")}
    return net, load({name: value.numpy() for name, value in net.state_dict().items()}, **explicit)


def traced(net, x):
    """Every module's output and every step, by layer name."""
    values = {}

    def record(name, value):
        values[name] = value
        return value

    for name, module in net.named_modules():
        module.register_forward_hook(lambda m, i, out, name=name: values.__setitem__(name, out))
        if isinstance(module, Stepping):
            module.recorder = record
    with torch.no_grad():
        net(torch.from_numpy(x))
    return values


def arrays(net):
    return {name: value.numpy() for name, value in net.state_dict().items()}
