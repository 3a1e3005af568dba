"""The loss of knowledge distillation: a student follows the truth and its teacher."""

import numpy as np

from ..errors import BadInput


def check_share(share: float) -> None:
    """Raise BadInput unless the teacher's share lies in [0, 1]."""
    if not 0 <= share <= 1:
        raise BadInput(f"the teacher's share of the loss is {share}, expected a number from 0 to 1; choose one")


def distillation_loss(student: np.ndarray, teacher: np.ndarray, truth: np.ndarray, share: float) -> float:
    """(1 - share) mean |student - truth| + share mean |teacher - student|.

    Parameters
    ----------
    student, teacher, truth : ndarray
        Pictures of one shape, (N, C, H, W).
    share : float
        Lambda, of the teacher, in [0, 1]. With 0 it is the L1 loss.

    Returns
    -------
    float
        In units of the pictures; computed in float64.

    Raises
    ------
    BadInput
        When the shapes differ, or the share lies outside [0, 1].

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2. arXiv:1503.02531
    (the weighted sum of two objectives; here both are L1 distances of pictures)

    Examples
    --------
    >>> distillation_loss(np.array([1.0, 1.0]), np.array([0.0, 1.0]), np.array([3.0, 1.0]), share=0.25)
    0.875
    """
    check_share(share)
    if not student.shape == teacher.shape == truth.shape:
        raise BadInput(
            f"student, teacher and truth have shapes {student.shape}, {teacher.shape} and {truth.shape}, expected one "
            "shape; compare pictures of one size"
        )
    student, teacher, truth = (np.asarray(picture, np.float64) for picture in (student, teacher, truth))
    return float((1 - share) * np.abs(student - truth).mean() + share * np.abs(teacher - student).mean())
