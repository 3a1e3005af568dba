"""Sizes and amounts as people write them."""

import re

from ..refimpl.errors import BadInput

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_size(size):
    """(height, width) of a text such as 64x64."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if match is None or "0" in match.groups():
        raise BadInput(f"the size is {size!r}, expected HEIGHTxWIDTH such as 64x64; write it so")
    return int(match[1]), int(match[2])


def parse_bytes(text):
    """An amount of memory such as 2GB, 1.5 GiB or 800000000, in bytes.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> parse_bytes("1.5GB")
    1500000000
    """
    match = re.fullmatch(r"(\d{1,18}(?:\.\d{1,9})?) ?([KMG]I?B|)", text.strip().upper())
    if match is None:
        raise BadInput(f"the amount of memory is {text!r}, expected one such as 2GB or 800MB; write it so")
    return int(float(match[1]) * UNITS[match[2]])


def spoken_bytes(number):
    """An amount as people say it.

    Examples
    --------
    >>> spoken_bytes(1_240_000_000), spoken_bytes(83_400_000), spoken_bytes(12)
    ('1.2 GB', '83 MB', '1 MB')
    """
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{max(1, round(number / 1e6))} MB"


def spoken_seconds(number):
    """A time as people say it.

    Examples
    --------
    >>> spoken_seconds(0.31), spoken_seconds(95), spoken_seconds(7300)
    ('0.3 s', '1 min 35 s', '2 h 1 min')
    """
    if number < 60:
        return f"{number:.1f} s" if number < 10 else f"{number:.0f} s"
    minutes, seconds = divmod(round(number), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
