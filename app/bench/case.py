"""One work for all engines: a network, a picture, and how many threads may be used."""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ...refimpl.load import load
from ...refimpl.models import Model


@dataclass(frozen=True)
class Case:
    """What an engine is prepared for.

    Attributes
    ----------
    network : str
        What `karat.load` takes; a child process loads it again.
    x : ndarray of float32, (1, channels, H, W)
        In [0, 1].
    threads : int
    folder : Path
        For files on the way to an engine.
    """

    network: str
    x: np.ndarray
    threads: int
    folder: Path

    @cached_property
    def model(self) -> Model:
        """The golden model."""
        return load(self.network)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return self.x.shape[2], self.x.shape[3]

    def cut(self, side):
        """The same work on the middle of the picture, at most ``side`` x ``side`` pixels."""
        height, width = self.size
        top, left = max(0, height - side) // 2, max(0, width - side) // 2
        return replace(self, x=np.ascontiguousarray(self.x[:, :, top : top + side, left : left + side]))


def picture(height, width, channels=3):
    """The photograph of the astronaut, continued by mirrors where it is too small, its middle cut out.

    Returns
    -------
    ndarray of float32, (1, channels, height, width)
        In [0, 1].

    Examples
    --------
    >>> picture(600, 8, channels=1).shape
    (1, 1, 600, 8)
    """
    from ..example import photograph

    image = photograph()[:channels].astype(np.float32) / 255  # (channels, 512, 512)
    grown = [max(0, wanted - have) for wanted, have in zip((height, width), image.shape[1:], strict=True)]
    image = np.pad(image, ((0, 0), (0, grown[0]), (0, grown[1])), mode="symmetric")
    top, left = (have - wanted for have, wanted in zip(image.shape[1:], (height, width), strict=True))
    return np.ascontiguousarray(image[None, :, top // 2 :, left // 2 :][:, :, :height, :width])


def onnx_file(case, height, width):
    """Path of the network in ONNX, of a fixed size, for engines that read that; written when it is not there.

    It needs torch.

    Parameters
    ----------
    case : Case
    height, width : int
        Of the input.
    """
    path = case.folder / f"{height}x{width}.onnx"
    if not path.exists():
        import torch

        from ...convert.torch_models import twin

        x = torch.zeros(1, case.x.shape[1], height, width)
        with warnings.catch_warnings():  # tracing warns of every size that it fixes, which is what we want
            warnings.simplefilter("ignore")
            torch.onnx.export(twin(case.model), (x,), str(path), dynamo=False, opset_version=17)
    return path
