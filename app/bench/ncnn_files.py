"""A QuickSRNet as ncnn's two files, written by hand: the layers as text, the weights as bytes.

Formats: ncnn's documents "param and model file structure" and "operation param weight table".
"""

import numpy as np

from ...refimpl.errors import BadInput

MAGIC = 7767517
FLOAT32 = np.zeros(1, "<u4").tobytes()  # the flag before the weights of a convolution
CLIP = "9=3 -23310=2,0.0,1.0"  # activation of a convolution: clip to [0, 1]


def ncnn_files(model):
    """Text and bytes of a QuickSRNet without a detour (x2, x3, x4; no input-to-output convolution, no averaging).

    Parameters
    ----------
    model : Model

    Returns
    -------
    param : str
        One input ``x``, one output ``y``.
    weights : bytes

    Raises
    ------
    BadInput
        For other networks.
    """
    reason = unwritten(model)
    if reason:
        raise BadInput(f"{reason}, expected a plain QuickSRNet; leave ncnn out of --engines")
    lines, blob, weights = ["Input x 0 1 x"], "x", b""
    for name in [layer for layer, operator in model.layers.items() if operator == "conv2d"]:
        weight, bias = (np.asarray(model.parameters[f"{name}.{kind}"], "<f4") for kind in ("weight", "bias"))
        shape = f"0={len(weight)} 1={weight.shape[-1]} 4={weight.shape[-1] // 2} 5=1 6={weight.size}"
        lines.append(f"Convolution {name} 1 1 {blob} {name}_out {shape} {CLIP}")
        blob, weights = f"{name}_out", weights + FLOAT32 + weight.tobytes() + bias.tobytes()
    lines.append(f"PixelShuffle shuffle 1 1 {blob} y 0={model.config.subpixel}")
    return "\n".join([str(MAGIC), f"{len(lines)} {len(lines)}", *lines, ""]), weights


def unwritten(model):
    """Why ncnn does not run a network, or None."""
    if model.architecture.NAME != "quicksrnet":
        return "ncnn does not load SwinIR, whose windows need tensors of more than four axes"
    config = model.config
    if config.unshuffle > 1 or config.input_to_output or config.average > 1:
        return "this QuickSRNet is not written for ncnn: it is no plain chain of convolutions"
    return None
