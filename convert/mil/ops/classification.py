"""What a classifier ends in: the label of the most probable class, and the probability of every one."""

import numpy as np

from ....refimpl.errors import BadInput
from .registry import operator


@operator("classify", exact=True)
def classify(probabilities, classes):
    """(label, probabilities in the order of the classes), where ``classes`` are names or whole numbers.

    Of equally probable classes it is the first. `Program.predict` makes a dict of the probabilities, as Core ML does.

    Examples
    --------
    >>> classify(np.array([[0.2, 0.8]]), ("cat", "dog"))
    ('dog', array([0.2, 0.8]))
    """
    flat = np.ravel(probabilities)
    if flat.size != len(classes) or not flat.size:
        raise BadInput(f"{flat.size} probabilities for {len(classes)} classes")
    return classes[int(np.argmax(flat))], flat.astype(np.float64)
