"""State dicts that are already in memory: NumPy arrays, torch tensors, anything that NumPy can convert."""

import numpy as np

from ..errors import BadInput
from .messages import shown


def is_array(value):
    """Whether a value in a dict is a tensor; NumPy scalars are not, they are bookkeeping such as a best score."""
    return hasattr(value, "__array__") and not isinstance(value, (np.generic, type))


def copy_array(name, value):
    """A C-contiguous copy in native byte order, without importing the library that ``value`` belongs to.

    Raises
    ------
    BadInput
        When it holds no real numbers, or cannot be an array.

    Examples
    --------
    >>> copy_array("bias", np.array([1.0, 2.0], ">f4"))
    array([1., 2.], dtype=float32)
    """
    if hasattr(value, "detach"):  # a torch tensor: off the graph and the accelerator, and NumPy has no bfloat16
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array = np.asarray(value)
    except TypeError as error:  # torch's word for sparse, quantized and float8 tensors
        raise BadInput(
            f"{shown(name)} cannot become a NumPy array, expected a dense tensor; convert it first"
        ) from error
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise BadInput(f"{shown(name)} has dtype {array.dtype}, expected real numbers; convert it to float32")
    return np.array(array, array.dtype.newbyteorder("="), order="C", copy=True)
