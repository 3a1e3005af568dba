"""Writes weights as safetensors, whole or not at all; the same weights are the same bytes."""

import json
import os
from pathlib import Path
from uuid import uuid4

from ..errors import BadInput
from .arrays import copy_array
from .messages import shown


def write_safetensors(path, arrays, metadata=None):
    """Write named arrays to a temporary file beside ``path``, then rename it: a reader never meets half a file.

    Parameters
    ----------
    path : str or Path
    arrays : mapping of str to array
        Anything that `read_checkpoint` takes as an array, of any memory layout.
    metadata : mapping of str to str, optional
        Goes into the header, sorted by key.

    Raises
    ------
    BadInput
        When the folder does not exist, the path is a folder, or something is no array.

    Examples
    --------
    >>> import tempfile
    >>> from karat.refimpl.checkpoint import read_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_safetensors(f"{folder}/tiny.safetensors", {"bias": [1.0, 2.0]}, {"license": "MIT"})
    ...     read_checkpoint(f"{folder}/tiny.safetensors")
    {'bias': array([1., 2.])}
    """
    from safetensors.numpy import save  # here, so that `import karat` stays light

    path = Path(path)
    if not path.parent.is_dir() or path.is_dir():
        raise BadInput(
            f"{shown(path.name)} cannot be written, expected a file name in an existing folder; make the folder first"
        )
    arrays = {name: copy_array(name, array) for name, array in arrays.items()}
    partial = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        partial.write_bytes(_ordered(save(arrays, metadata=dict(metadata) if metadata else None)))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _ordered(content):
    """The same file with its metadata in order: the library writes them in an order that differs from run to run.

    References
    ----------
    https://huggingface.co/docs/safetensors, section "Format": eight bytes of length, the header, the numbers.
    """
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    if "__metadata__" not in header:
        return content
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    return b"".join([len(text).to_bytes(8, "little"), text, memoryview(content)[begin:]])
