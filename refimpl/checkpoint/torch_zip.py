"""torch's zip format (torch >= 1.6): NAME/data.pkl describes the tensors, NAME/data/KEY holds one storage each.

References
----------
PyTorch documentation, "Serialization semantics", section "torch.save file format".
"""

import io
import zipfile
from contextlib import contextmanager

from ..errors import BadInput
from .limits import MAX_PICKLE_BYTES
from .messages import damaged, hostile, save_again, shown
from .pickle_machine import run

_ORDERS = {b"little": "<", b"big": ">"}


@contextmanager
def _damage_as_bad_input():
    try:
        yield
    except BadInput:
        raise
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:  # zipfile's, on damage
        raise damaged(f"the zip reader stops ({shown(str(error))})") from error


def _check_entry(info):
    """Refuse compression and encryption (so nothing inflates), and names that point out of the archive."""
    name = info.orig_filename
    if name != info.filename or name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise hostile(f"the zip holds {shown(name)}", "names inside the archive")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
        raise save_again(f"zip entry {shown(name)} is compressed or encrypted", "it stored as torch does")


def _find_root(entries):
    """The folder that holds everything: torch names it after the file, or ``archive``."""
    roots = [name.removesuffix("data.pkl") for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        found = shown(next(iter(entries))) if entries else "nothing"
        raise save_again(f"the zip starts with {found} and has no single data.pkl", "what torch.save writes")
    if roots[0] + "constants.pkl" in entries:
        raise BadInput("this is a TorchScript program, expected weights; torch.save its state_dict() and pass that")
    return roots[0]


class TorchZip:
    """An opened torch zip: ``.value`` as its pickle describes it, and the bytes of its storages.

    Parameters
    ----------
    file : seekable binary file
    file_bytes : int

    Raises
    ------
    BadInput
    """

    def __init__(self, file, file_bytes):
        with _damage_as_bad_input():
            self._archive = zipfile.ZipFile(file)
        infos = self._archive.infolist()
        for info in infos:
            _check_entry(info)
        self._entries = {info.filename: info for info in infos}
        if len(self._entries) != len(infos):
            raise hostile("the zip holds two entries of one name", "each once")
        if sum(info.file_size for info in infos) > file_bytes:
            raise hostile("the zip's entries overlap", "each to have its own bytes")
        self._root = _find_root(self._entries)
        self.byteorder = self._read_byteorder()
        self.value, _ = run(io.BytesIO(self._read(self._root + "data.pkl", MAX_PICKLE_BYTES)))

    def _read(self, name, limit):
        info = self._entries[name]
        if info.file_size > limit:
            raise hostile(f"zip entry {shown(name)} has {info.file_size} bytes", f"up to {limit}")
        with _damage_as_bad_input():
            return self._archive.read(info)  # checks the CRC

    def _read_byteorder(self):
        name = self._root + "byteorder"
        if name not in self._entries:
            return "<"  # older torch wrote none; torch.load then takes the machine's own order, which is this one
        order = self._read(name, limit=16)
        if order not in _ORDERS:
            raise damaged("the byteorder entry is neither little nor big")
        return _ORDERS[order]

    def storage_bytes(self, storage):
        """The bytes of a storage, which must be exactly as many as the pickle says.

        Raises
        ------
        BadInput
        """
        name = f"{self._root}data/{storage.key}"
        if name not in self._entries:
            raise damaged(f"the zip has no entry for storage {shown(storage.key)}")
        found = self._entries[name].file_size
        if found != storage.nbytes:
            raise damaged(
                f"storage {shown(storage.key)} has {found} bytes, not the {shown(storage.nbytes)} of the pickle"
            )
        return self._read(name, limit=found)
