"""Where in the picture the error lies: by colour, by sub-pixel phase, and by place inside an attention window.

Each map makes one kind of damage visible that a PSNR hides: a colour shift, a shuffle in the wrong order, a seam at the
borders of windows.
"""

from dataclasses import dataclass

import numpy as np

from ...refimpl.metrics import rms

SHADES = " ░▒▓█"


@dataclass(frozen=True)
class PictureError:
    """The difference of two pictures, averaged in three ways.

    Attributes
    ----------
    rms : float
        Root mean square of the whole difference.
    channel_bias : ndarray, (C,)
        Mean difference of every colour channel.
    phases : ndarray, (s, s)
        Root mean square by sub-pixel phase: row and column of an output pixel modulo s.
    window : ndarray, (w, w), or None
        Root mean square by the place of the input pixel in the grid of attention windows that starts at the top left
        corner; NaN at places that a small picture does not have. Shifted windows have their borders in the middle.
    """

    rms: float
    channel_bias: np.ndarray
    phases: np.ndarray
    window: np.ndarray | None = None

    @property
    def border_ratio(self) -> float | None:
        """Error in the outermost pixels of a window over that in the others; None without both, or without error."""
        if self.window is None:
            return None
        inside = np.zeros(self.window.shape, bool)
        inside[1:-1, 1:-1] = True
        ring, middle = (part[np.isfinite(part)] for part in (self.window[~inside], self.window[inside]))
        return rms(ring) / rms(middle) if middle.any() and ring.size else None

    def to_dict(self) -> dict:
        """For JSON: nested lists, None for what does not exist."""
        window = None
        if self.window is not None:
            window = [[None if np.isnan(value) else float(value) for value in row] for row in self.window]
        return {
            "rms": self.rms,
            "channel_bias": self.channel_bias.tolist(),
            "phases": self.phases.tolist(),
            "window": window,
            "border_ratio": self.border_ratio,
        }

    def lines(self) -> list[str]:
        """What a terminal shows: the figures, and the maps in five shades from no error to the map's largest."""
        colours = ", ".join(f"{name} {bias:+.1e}" for name, bias in zip(_names(self), self.channel_bias, strict=True))
        found = [f"error of the picture: {self.rms:.1e} rms; mean by colour (a shift): {colours}"]
        rows, low, high = _shaded(self.phases), np.nanmin(self.phases), np.nanmax(self.phases)
        found.append(f"by sub-pixel phase: {low:.1e} to {high:.1e} rms")
        if self.window is None:
            return found + [f"  {row}" for row in rows]
        ratio = "" if self.border_ratio is None else f"; borders {self.border_ratio:.2f} x the inside"
        low, high = np.nanmin(self.window), np.nanmax(self.window)
        found[-1] += f" (left); by place in the window: {low:.1e} to {high:.1e} rms{ratio} (right)"
        places, blank = _shaded(self.window), "  " * len(self.phases)
        rows += [blank] * (len(places) - len(rows))
        places += [""] * (len(rows) - len(places))
        return found + [f"  {left}    {right}".rstrip() for left, right in zip(rows, places, strict=True)]


def picture_error(golden, output, period, window=None):
    """Average the difference of two pictures by channel, phase and place in the window.

    Parameters
    ----------
    golden, output : ndarray, (N, C, s H, s W)
    period : int
        Output pixels after which the sub-pixel phases repeat: s, and 3 for a scale of 1.5.
    window : int, optional
        Side of an attention window in input pixels; only for whole scales.

    Returns
    -------
    PictureError

    Examples
    --------
    >>> golden, output = np.zeros((1, 3, 4, 4)), np.zeros((1, 3, 4, 4))
    >>> output[..., 1::2, ::2] = 0.1  # one phase of four is wrong
    >>> picture_error(golden, output, period=2).phases.round(2)
    array([[0. , 0. ],
           [0.1, 0. ]])
    """
    difference = output.astype(np.float64) - golden.astype(np.float64)
    squared = np.mean(np.square(difference), axis=(0, 1))  # (s H, s W)
    places = None if window is None else _by_place(squared, period, window)
    bias = difference.mean(axis=(0, 2, 3))
    return PictureError(rms(difference), bias, _by_place(squared, 1, period), places)


def _by_place(squared, side, period):
    """Root mean square over cells of ``side`` pixels that have the same place in a grid of ``period`` cells."""
    rows, columns = (np.arange(n) // side % period for n in squared.shape)
    sums, counts = np.zeros((2, period, period))
    np.add.at(sums, (rows[:, None], columns), squared)
    np.add.at(counts, (rows[:, None], columns), 1)
    return np.sqrt(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def _names(error):
    names = {1: ["grey"], 3: ["R", "G", "B"]}
    return names.get(len(error.channel_bias), range(len(error.channel_bias)))


def _shaded(values):
    """A map as rows of characters, two for every value."""
    values = np.nan_to_num(values)
    shares = values / values.max() if values.any() else values
    steps = np.minimum(shares * len(SHADES), len(SHADES) - 1).astype(int)
    return ["".join(SHADES[step] * 2 for step in row) for row in steps]
