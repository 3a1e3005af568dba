"""The safetensors format: a JSON header and the numbers, so the library's own reader is safe to use.

References
----------
https://huggingface.co/docs/safetensors, section "Format".
"""

import math

from ..errors import BadInput
from .messages import damaged, shown
from .storage import Storage, Tensor, check_shape, make_array

_KINDS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def _array(entry):
    if entry["dtype"] not in _KINDS:
        raise BadInput(f"a tensor is {shown(entry['dtype'])}, expected one of {', '.join(_KINDS)}; convert it first")
    shape = tuple(entry["shape"])
    check_shape(shape)
    kind = _KINDS[entry["dtype"]]
    flat = Storage("", kind, math.prod(shape))
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return make_array(Tensor(flat, 0, shape, strides), entry["data"])


def read_safetensors(content):
    """All tensors of a safetensors file.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    BadInput

    Examples
    --------
    >>> import numpy as np
    >>> from safetensors.numpy import save
    >>> read_safetensors(save({"bias": np.array([1, 2], np.int16)}))
    {'bias': array([1, 2], dtype=int16)}
    """
    from safetensors import SafetensorError, deserialize  # here, so that `import karat` stays light

    try:
        entries = deserialize(content)
    except SafetensorError as error:
        raise damaged(f"the safetensors reader stops ({shown(str(error))})") from error
    return {name: _array(entry) for name, entry in entries}
