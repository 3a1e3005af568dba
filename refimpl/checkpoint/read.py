"""The front door: a path or a dict in, named arrays out."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ..errors import BadInput
from .arrays import copy_array, is_array
from .finite import check_finite
from .identify import HEAD_BYTES, identify
from .limits import MAX_FILE_BYTES
from .messages import shown
from .safetensors_file import read_safetensors
from .select import select_weights
from .storage import Tensor, check_total, make_array
from .torch_legacy import TorchLegacy
from .torch_zip import TorchZip


def _read_torch(source, file_bytes, key):
    """The chosen arrays of an opened torch file; storages of other things (an optimizer) are not even read."""
    tensors = select_weights(source.value, lambda item: isinstance(item, Tensor), key)
    check_total(tensors.values(), file_bytes)
    sharing = {}  # storage -> the names that view it, so that each is read once
    for name, tensor in tensors.items():
        sharing.setdefault(tensor.storage, []).append(name)
    arrays = {}
    for storage, names in sharing.items():
        content = source.storage_bytes(storage)
        arrays.update((name, make_array(tensors[name], content, source.byteorder)) for name in names)
    return {name: arrays[name] for name in tensors}


def _read_opened(file, file_bytes, key):
    head = file.read(HEAD_BYTES)
    file.seek(0)
    match identify(head, file_bytes):
        case "zip":
            return _read_torch(TorchZip(file, file_bytes), file_bytes, key)
        case "legacy":
            return _read_torch(TorchLegacy(file.read(file_bytes)), file_bytes, key)
        case _:
            if key is not None:
                raise BadInput("a safetensors file is flat, so there is no key to choose; leave key out")
            return select_weights(read_safetensors(file.read(file_bytes)), is_array)


def _read_path(path, key):
    if "\0" in str(path):
        raise BadInput("the path holds a NUL character, expected a file's path; check where it comes from")
    try:
        status = os.stat(path)  # before opening: opening a pipe would wait for ever
        if not stat.S_ISREG(status.st_mode):
            kind = "folder" if stat.S_ISDIR(status.st_mode) else "device or pipe"
            raise BadInput(f"it is a {kind}, expected a .pth, .pt or .safetensors file; give its path")
        if status.st_size > MAX_FILE_BYTES:
            raise BadInput(f"it has {status.st_size} bytes, expected up to {MAX_FILE_BYTES}; save only the weights")
        with open(path, "rb") as file:
            return _read_opened(file, status.st_size, key)
    except OSError as error:
        raise BadInput(f"it cannot be read ({error.strerror}), expected a checkpoint file; check the path") from error


def read_checkpoint(source, key=None):
    """Read the weights of a network, without torch and without running anything that the file says.

    Parameters
    ----------
    source : str, Path or mapping of str to array
        A ``.pth`` / ``.pt`` file (torch's zip format, or its stream from before 1.6) or a ``.safetensors`` file, told
        apart by content, or a state dict. Torch tensors in a dict are converted; torch itself is not needed.
    key : str, optional
        Which entry of the file holds the weights. By default the first of ``params_ema``, ``params``, ``state_dict``,
        ``model_state_dict``, ``model``, ``network``, ``net``, ``generator`` that holds tensors, then the top level,
        then the only entry that holds any.

    Returns
    -------
    dict of str to ndarray
        In file order; C-contiguous, in native byte order, sharing memory with nothing. bfloat16 becomes float32
        (exact), other dtypes stay. What lies beside the tensors (epoch, optimizer) is left out, and so is a ``module.``
        that all names begin with (DataParallel).

    Raises
    ------
    BadInput
        One sentence, for a file that is missing, damaged, hostile, larger than 4 GiB, without tensors, or with NaN or
        infinity in them. In particular for a pickle that mentions anything beyond the tensors' own few names.

    Examples
    --------
    >>> import numpy as np
    >>> read_checkpoint({"epoch": 3, "params": {"module.bias": np.array([1.0, 2.0])}})
    {'bias': array([1., 2.])}
    """
    if isinstance(source, Mapping):
        found = select_weights(source, is_array, key)
        arrays = {name: copy_array(name, value) for name, value in found.items()}
        check_finite(arrays)
        return arrays
    if not isinstance(source, (str, os.PathLike)):
        raise BadInput(f"the checkpoint is {shown(source)}, expected a path or a dict of arrays; pass one of these")
    try:
        arrays = _read_path(Path(source), key)
        check_finite(arrays)
    except BadInput as error:
        raise BadInput(f"{shown(Path(source).name or str(source))}: {error}") from error
    return arrays
