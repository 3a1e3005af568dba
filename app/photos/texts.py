"""Texts with a keyword: a PNG's (W3C PNG, third edition, 11.3.3) and a JPEG's comments (ITU-T T.81, B.2.4.5)."""

import re

from .found import METADATA

COMMENT = "Comment"  # PNG's keyword for what a JPEG's comment is
ENTRY = 16  # bytes that a text takes beside its own, so that millions of empty ones are too many
LONGEST = 79  # bytes of a keyword
NAMED = 5  # in a sentence


def text_of(content):
    """Give bytes as text, UTF-8 as it should be; other bytes are kept so that `bytes_of` finds them again.

    Examples
    --------
    >>> bytes_of(text_of(b"Zo\\xeb"))
    b'Zo\\xeb'
    """
    return content.decode("utf-8", "surrogateescape")


def bytes_of(text):
    """Give the bytes of `text_of`."""
    return text.encode("utf-8", "surrogateescape")


def bounded(texts, most=METADATA):
    """Take texts up to what metadata may hold.

    Parameters
    ----------
    texts : sequence of (str, str)
        Keyword and text.
    most : int
        Bytes of all of them together.

    Returns
    -------
    texts : tuple of (str, str)
    keywords : list of str
        Of those that are left out.
    """
    kept, beyond = [], []
    for key, text in texts:
        most -= len(bytes_of(key)) + len(bytes_of(text)) + ENTRY
        (kept if most >= 0 else beyond).append((key, text))
    return tuple(kept), [key for key, _ in beyond]


def named(words):
    """Name each thing once, and not too many.

    Examples
    --------
    >>> named(["Author", "Author", "a\\nb"])
    'Author, a?b'
    """
    words = list(dict.fromkeys("".join(c if c.isprintable() else "?" for c in word[:LONGEST]) for word in words))
    return ", ".join(words[:NAMED] + ["others"] * (len(words) > NAMED))


def png_text(key, text):
    """Give (type, content) of a PNG's chunk, or None when the text cannot stand in one.

    Parameters
    ----------
    key : str
        It is made to obey PNG's rules: printable Latin-1, single spaces, 1 to 79 bytes.
    text : str
        Zero bytes at its end are left out: some programs end a comment so.

    Examples
    --------
    >>> png_text("Author", "Zo\\u00eb"), png_text("Author", "\\u0416")
    ((b'tEXt', b'Author\\x00Zo\\xeb'), (b'iTXt', b'Author\\x00\\x00\\x00\\x00\\x00\\xd0\\x96'))
    """
    head, text = _keyword(key), text.rstrip("\0")
    if "\0" in text:
        return None
    coded = bytes_of(text)
    try:
        return b"tEXt", head + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        coded.decode()
    except UnicodeDecodeError:  # nobody knows what it was meant in: Latin-1 keeps the bytes
        return b"tEXt", head + b"\0" + coded
    return b"iTXt", head + bytes(5) + coded  # not packed, no language, no translated keyword


def _keyword(key):
    key = re.sub(r"[^\x20-\x7e\xa1-\xff]", "?", key)
    return (re.sub(" +", " ", key)[:LONGEST].strip() or COMMENT).encode("latin-1")
