"""Mutated files through one warm child: a photo or one sentence, never a signal in the parent, never a hang.

The nightly run takes 2,000 files a format (pytest -m long -s tests/test_photo_fuzz.py prints what became of them).
"""

import struct
import time
import zlib

import numpy as np
import pytest
from photo_files import avif, chunk, exif, heic, numbers, pillow, png, smooth, tiff, with_chunk
from test_photo_hostile import dng

from karat import BadInput
from karat.app.photos.decoder import START, Decoder
from karat.app.photos.found import PIXELS

SECONDS = 20.0
EXTREME = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 50_000]


def talking():
    """A JPEG and a PNG with comments, texts, a resolution, extended XMP, primaries, gamma and strange parts."""
    picture = pillow(smooth(48, 64), "JPEG", comment=b"Zo\xeb", dpi=(300, 150), xmp=b"<x/>")
    parts = [(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", 5, 0) + b"<y/>!")]
    parts += [(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb"), (0xE3, b"Meta\0")]
    more = b"".join(struct.pack(">BBH", 0xFF, marker, len(part) + 2) + part for marker, part in parts)
    png = pillow(smooth(48, 64), "PNG", dpi=(300, 150))
    chunks = [(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))]
    chunks += [(b"gAMA", struct.pack(">I", 55556)), (b"tEXt", b"Author\0Zo\xeb"), (b"caBX", b"jumb")]
    chunks += [(b"iTXt", b"Title\0\0\0de\0Titel\0Wort"), (b"zTXt", b"Software\0\0" + zlib.compress(b"karat"))]
    for kind, content in chunks:
        png = with_chunk(png, kind, content)
    return picture[:20] + more + picture[20:], png


def seeds():
    """Small whole files of each format, of several kinds."""
    rgb, rgba, grey = smooth(48, 64), smooth(48, 64, 4), smooth(48, 64, 1)
    grid = heic(smooth(96, 128), tile_size=64)
    block = b"Exif\0\0" + exif(6)
    talking_jpeg, talking_png = talking()
    return {
        "JPEG": [pillow(rgb, "JPEG", exif=block), pillow(rgb, "JPEG", progressive=True), pillow(grey, "JPEG"),
                 talking_jpeg],
        "PNG": [pillow(rgb, "PNG", exif=block), png(numbers(24, 32, 4, 16)), pillow(grey, "PNG"), talking_png],
        "TIFF": [
            tiff(rgb), tiff(numbers(24, 32, 3, 16), compression="zlib", predictor=True), tiff(rgba, tile=(16, 16)),
            tiff(rgb, compression="lzw", byteorder=">"), pillow(rgb, "TIFF", compression="jpeg"),
            tiff(rgb, planarconfig="separate", compression="packbits"),
        ],
        "WebP": [pillow(rgb, "WEBP", exif=block), pillow(rgba, "WEBP", lossless=True), pillow(rgba, "WEBP")],
        "AVIF": [avif(rgb), avif(smooth(48, 64, 3, 10), 10), pillow(rgba, "AVIF", exif=block), avif(grey)],
        "HEIC": [heic(rgb, exif=exif(6)), heic(smooth(48, 64, 3, 10), 10), heic(rgba), grid],
        "RAW": [dng(smooth(64, 96, 1, 16)[..., 0]), dng(numbers(64, 96, 1, 12)[..., 0], white=4095, orientation=6)],
    }  # fmt: skip


def mutated(content, random):
    """A file with some bytes changed, a number set to an extreme, a part cut, doubled, moved or lost."""
    content = bytearray(content)
    for _ in range(random.integers(1, 4)):
        # headers are a small part of a file and most of what can go wrong
        reach = len(content) if random.random() < 0.5 else min(len(content), 400)
        place, length = int(random.integers(reach)), int(random.integers(1, 64))
        kind = random.integers(6)
        if kind == 0:
            for _ in range(random.integers(1, 16)):
                content[random.integers(reach)] = random.integers(256)
        elif kind == 1:
            content[place] ^= 1 << random.integers(8)
        elif kind == 2:
            number, code = EXTREME[random.integers(len(EXTREME))], str(random.choice([">I", "<I", ">H", "<H"]))
            most = 0xFFFF if "H" in code else 0xFFFFFFFF
            content[place : place + struct.calcsize(code)] = struct.pack(code, number & most)
        elif kind == 3:
            del content[place : place + length]
        elif kind == 4:
            content[place:place] = content[place : place + length]
        elif len(content) > 40:
            del content[int(random.integers(20, len(content))) :]
        content = content or bytearray(1)
    return bytes(content)


def with_right_sums(content):
    """A PNG whose checksums fit again: otherwise nearly every change ends there."""
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        parts.append(chunk(kind, content[place + 8 : place + 8 + size]) if place + 12 + size <= len(content) else b"")
        place += 12 + size
    return b"".join(parts)


def run(folder, form, count):
    """What became of so many mutated files of a format, as a dict of numbers."""
    files, path, random = seeds()[form], folder / "photo", np.random.default_rng(7)
    result = {"decoded": 0, "refused": 0}
    start, slowest = time.monotonic(), 0.0
    with Decoder(seconds=SECONDS) as decoder:
        for number in range(count):
            content = mutated(files[number % len(files)], random)
            path.write_bytes(with_right_sums(content) if form == "PNG" and number % 4 else content)
            begun = time.monotonic()
            try:
                photo = decoder.photo(path)
                assert photo.pixels.size <= 4 * PIXELS
                assert photo.pixels.max() <= photo.most
                result["decoded"] += 1
            except BadInput as error:
                assert str(error).isprintable(), (number, error)
                assert str(error).startswith("photo "), (number, error)
                result["refused"] += 1
            slowest = max(slowest, time.monotonic() - begun)
        result["deaths"] = decoder.deaths
    assert slowest < SECONDS + START
    return {**result, "seconds": round(time.monotonic() - start, 1), "slowest": round(slowest, 2)}


FORMS = ["JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC", "RAW"]


@pytest.mark.parametrize("form", FORMS)
def test_30_mutated_files(tmp_path, form):
    result = run(tmp_path, form, 30)
    assert result["decoded"] + result["refused"] == 30


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_2000_mutated_files(tmp_path, form, capsys):
    result = run(tmp_path, form, 2000)
    with capsys.disabled():
        print(f"\n{form}: {result}")
    assert result["decoded"] + result["refused"] == 2000
    assert result["refused"] > 100  # otherwise nothing was mutated


def test_the_seeds_are_whole(tmp_path):
    with Decoder() as decoder:
        for form, files in seeds().items():
            for content in files:
                (tmp_path / "photo").write_bytes(content)
                assert decoder.photo(tmp_path / "photo").format == form
