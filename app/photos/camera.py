"""What is known of a camera's colours, and what is taken for granted when it is not."""

from dataclasses import dataclass

import numpy as np

XYZ_OF_SRGB = np.array(  # IEC 61966-2-1, D65
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


@dataclass(frozen=True)
class CameraColors:
    """A camera's colours.

    Attributes
    ----------
    neutral : ndarray, (3,)
        What the camera sees of white, the largest being 1.
    matrix : ndarray, (3, 3)
        From XYZ to the camera's colours, under D65.
    notes : tuple of str
        What had to be taken for granted.
    """

    neutral: np.ndarray
    matrix: np.ndarray
    notes: tuple[str, ...]


def camera_colors(camera):
    """Read a photograph's camera dictionary.

    Parameters
    ----------
    camera : dict
        "as_shot_neutral" (three numbers) or else "daylight_balance" (factors under D65), and "xyz_to_camera" (3, 3)
        or else "camera_to_srgb" (3, 3) of balanced colours, as LibRaw has it of DNGs; each may be None or missing.

    Returns
    -------
    CameraColors

    Examples
    --------
    >>> camera_colors({"as_shot_neutral": [0.5, 1.0, 0.8], "xyz_to_camera": np.eye(3)}).neutral.tolist()
    [0.5, 1.0, 0.8]
    """
    notes: tuple[str, ...] = ()
    neutral, daylight = _positive(camera.get("as_shot_neutral")), _positive(camera.get("daylight_balance"))
    if neutral is None:
        neutral = np.ones(3) if daylight is None else 1 / daylight
        taken = "none" if daylight is None else "that of daylight"
        notes += (f"the camera's white balance is not known: {taken} was taken",)
    matrix, shown = _invertible(camera.get("xyz_to_camera")), _invertible(camera.get("camera_to_srgb"))
    if matrix is None and shown is not None and daylight is not None:
        matrix = np.diag(1 / daylight) @ np.linalg.inv(shown) @ np.linalg.inv(XYZ_OF_SRGB)
    if matrix is None:
        matrix = np.linalg.inv(XYZ_OF_SRGB)
        notes += ("the camera's colour matrix is not known: its colours were taken to be those of sRGB",)
    return CameraColors(neutral / neutral.max(), matrix, notes)


def _invertible(values):
    """Give a matrix, (3, 3), or None."""
    if values is None:
        return None
    matrix = np.asarray(values, float)
    if matrix.ndim != 2 or min(matrix.shape) < 3 or not np.isfinite(matrix).all():
        return None
    matrix = matrix[:3, :3]
    return matrix if np.linalg.matrix_rank(matrix) == 3 else None


def _positive(values):
    """Give three positive numbers, or None."""
    if values is None or len(values) < 3:
        return None
    numbers = np.asarray(values, float)[:3]
    return numbers if np.isfinite(numbers).all() and (numbers > 0).all() else None
