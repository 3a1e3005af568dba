"""torch's format before 1.6: five pickles in a row, then every storage as its length (int64) and its numbers.

References
----------
``torch/serialization.py``, ``_legacy_save``: magic number, protocol version, system, the object, the storage keys.
"""

import io
import struct

from ..errors import BadInput
from .messages import damaged, shown
from .pickle_machine import run

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def _read_head(stream):
    """Past the first three pickles, or BadInput when they are not torch's."""
    magic, _ = run(stream)
    if not isinstance(magic, int) or magic != _MAGIC:
        raise BadInput("this is a pickle, but not one that torch.save wrote; save model.state_dict() with torch.save")
    protocol, _ = run(stream)
    if not isinstance(protocol, int) or protocol != _PROTOCOL:
        raise BadInput(f"it has torch protocol {shown(protocol)}, expected {_PROTOCOL}; save it with torch >= 0.4")
    system, _ = run(stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise BadInput("the file is big-endian, expected little-endian or a zip; save it with torch >= 2.1")


class TorchLegacy:
    """A torch stream in memory: ``.value`` as its pickle describes it, and the bytes of its storages.

    Parameters
    ----------
    content : bytes
        The whole file.

    Raises
    ------
    BadInput
    """

    byteorder = "<"

    def __init__(self, content):
        stream = io.BytesIO(content)
        _read_head(stream)
        self.value, storages = run(stream)
        keys, _ = run(stream)
        if not isinstance(keys, list) or any(type(key) is not str for key in keys) or sorted(keys) != sorted(storages):
            raise damaged("the list of storages does not match the tensors")
        self._content = memoryview(content)
        self._place = self._locate(stream.tell(), [storages[key] for key in keys])

    def _locate(self, position, storages):
        """{key: start of its numbers}, with every length checked against the pickle and the file."""
        place = {}
        for storage in storages:
            head = self._content[position : position + 8]
            found = struct.unpack("<q", head)[0] if len(head) == 8 else None
            place[storage.key] = position + 8
            position += 8 + storage.nbytes
            if found != storage.count or position > len(self._content):
                raise damaged(f"storage {shown(storage.key)} is not as long as the pickle says")
        if position != len(self._content):
            raise damaged(f"the file goes on for {len(self._content) - position} bytes after the last storage")
        return place

    def storage_bytes(self, storage):
        """The bytes of a storage."""
        start = self._place[storage.key]
        return self._content[start : start + storage.nbytes]
