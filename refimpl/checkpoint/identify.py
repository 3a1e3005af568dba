"""Tells the format of a file from its first bytes, never from its suffix; and what it is when it is no checkpoint."""

from ..errors import BadInput

HEAD_BYTES = 512

_OTHERS = (  # (first bytes, what it is, what to do)
    (b"version https://git-lfs", "is a git-lfs pointer", "run `git lfs pull` in its repository"),
    (b"\x89HDF", "is an HDF5 file", "export the weights as .safetensors"),
    (b"\x1f\x8b", "is compressed with gzip", "run gunzip on it first"),
    (b"\x93NUMPY", "is one NumPy array", "pass a dict of named arrays"),
)


def identify(head, file_bytes):
    """``"zip"``, ``"legacy"`` or ``"safetensors"``.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES` of the file, or all of it.
    file_bytes : int

    Raises
    ------
    BadInput
        Saying what the file is instead, where that can be told.

    Examples
    --------
    >>> identify(b"PK\\x03\\x04", 4)
    'zip'
    """
    if not head:
        raise BadInput("the file is empty, expected a checkpoint; download or save it again")
    # First, for the length may begin as the others do. A text, a pickle or a zip can also have "{" as its ninth byte:
    # the length before it, read from those, is astronomic.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= file_bytes - 8:
        return "safetensors"
    if head.startswith(b"PK"):
        return "zip"
    if head.startswith(b"\x80"):
        return "legacy"
    for start, what, remedy in _OTHERS:
        if head.startswith(start):
            raise BadInput(f"the file {what}, expected a checkpoint (.pth, .pt, .safetensors); {remedy}")
    raise BadInput(f"the file {_describe(head)}, expected a checkpoint (.pth, .pt, .safetensors); download it again")


def _describe(head):
    if head[257:262] == b"ustar":
        return "is a tar archive (torch before 0.1.11 wrote those)"
    if head.lstrip()[:1] == b"<":
        return "is an HTML or XML page, probably an error page saved in place of the download"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return "is text"
    return "has an unknown format or is damaged"
