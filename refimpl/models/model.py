"""A network as NumPy sees it: an architecture, its derived configuration and its parameters."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import BadInput


@dataclass(frozen=True, eq=False)
class Model:
    """A golden reference: call it for the picture, `trace` it for every layer.

    Attributes
    ----------
    architecture : module
        One of ``karat.refimpl.models``: its ``steps`` are the forward pass.
    config : object
        The architecture's frozen Config, derived from the shapes of the parameters.
    parameters : mapping of str to ndarray
        By state_dict key.

    Examples
    --------
    >>> import numpy as np
    >>> from karat.refimpl.models import quicksrnet
    >>> model = quicksrnet.identity(quicksrnet.Config(features=4, layers=1, subpixel=2))
    >>> model(np.full((1, 3, 2, 2), 0.5)).shape
    (1, 3, 4, 4)
    """

    architecture: Any
    config: Any
    parameters: Mapping[str, np.ndarray]

    @property
    def scale(self) -> float:
        """Output pixels per input pixel along one axis."""
        return self.config.scale

    @property
    def layers(self) -> dict[str, str]:
        """Operator of every layer, by layer name, in execution order."""
        return self.architecture.layers(self.config)

    @property
    def fingerprint(self) -> str:
        """A hash of the architecture's name and of all parameters, by which results of one network know each other."""
        digest = hashlib.sha256(self.architecture.NAME.encode())
        for key in sorted(self.parameters):
            digest.update(key.encode() + np.ascontiguousarray(self.parameters[key], np.float64).tobytes())
        return digest.hexdigest()[:16]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Upscale x, (N, channels, H, W) in [0, 1], to (N, channels, sH, sW), computing in the dtype of x."""
        ((_, y),) = deque(self.trace(x), maxlen=1)
        return y

    def trace(self, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (layer name, tensor) in execution order; the last one is the output.

        Parameters
        ----------
        x : ndarray, (N, channels, H, W)
            Floating, in [0, 1]; float64 gives the golden values.

        Raises
        ------
        BadInput
            When ``x`` is no such picture, or its sides do not suit the network.
        """
        check_picture(x, self.config.channels, self.config.multiple_of)
        parameters = {name: np.asarray(value, x.dtype) for name, value in self.parameters.items()}
        yield from self.architecture.steps(self.config, parameters, x)

    def expressions(self, size: tuple[int, int]) -> dict[str, np.ndarray]:
        """What constants stand for that are no parameters, by the key that `carrying` takes; some depend on (H, W)."""
        return self.architecture.expressions(self.config, self.parameters, size)

    def idle(self, size: tuple[int, int]) -> set[str]:
        """Names of the layers that leave every picture of (H, W) as it is, so that a converter may drop them."""
        return self.architecture.idle(self.config, size)

    def movements(self, size: tuple[int, int]) -> dict[str, tuple[str, Callable]]:
        """Layers that only move numbers, at a picture of (H, W): layer -> (the layer it reads, the function)."""
        return self.architecture.movements(self.config, self.parameters, size)

    @property
    def operands(self) -> dict[str, tuple[str, str, Callable]]:
        """What layers read of others before they compute: layer -> (the other layer, operand, the function)."""
        return self.architecture.operands(self.config)

    def carrying(self, constants: Mapping[str, np.ndarray]) -> "Model":
        """The same network with some parameters replaced, as float64: what a package stored instead of them."""
        carried = {name: np.asarray(value, np.float64) for name, value in constants.items()}
        return replace(self, parameters={**self.parameters, **carried})


def check_picture(x, channels=3, multiple_of=1):
    """Raise BadInput unless x is a floating (N, channels, H, W) with sides that are multiples of ``multiple_of``."""
    if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.floating):
        kind = getattr(x, "dtype", type(x).__name__)
        raise BadInput(f"the picture is {kind}, expected a floating array in [0, 1]; divide bytes by 255")
    if x.ndim != 4 or x.shape[1] != channels:
        raise BadInput(
            f"the picture has shape {x.shape}, expected (N, {channels}, H, W); move and repeat axes to that order"
        )
    if min(x.shape) < 1 or x.shape[2] % multiple_of or x.shape[3] % multiple_of:
        raise BadInput(
            f"the picture is {x.shape[2]} x {x.shape[3]} pixels, expected sides that are multiples of {multiple_of}; "
            "crop or pad it"
        )
