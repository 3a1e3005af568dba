"""Files are written whole or not at all, and whatever the disk says becomes one sentence."""

import errno
import os

import numpy as np
import pytest
from written_files import ALL, coded, pixels_of, random_pixels

from karat.app.outputs import replacing, write_bytes
from karat.app.photos.photo import Photo
from karat.app.photos.write import write_photo
from karat.refimpl.errors import BadInput

PHOTO = Photo(random_pixels(0, 30, 40, 3, 8), 8, "PNG")
NAMES = {"JPEG": "a.jpg", "PNG": "a.png", "TIFF": "a.tif", "WebP": "a.webp", "AVIF": "a.avif", "HEIC": "a.heic"}


def refused(path, match):
    """The sentence of a refusal; nothing is left behind."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(BadInput, match=match) as caught:
        write_photo(path, PHOTO)
    assert "\n" not in str(caught.value)
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == before
    return str(caught.value)


@pytest.mark.parametrize("form", ALL)
def test_names_of_all_kinds_are_written(form, tmp_path):
    suffix = NAMES[form][1:]
    for stem in ("-leading dash", "ünïcödé 写真 🙂", "a" * (255 - len(suffix)), "é" * ((255 - len(suffix)) // 2)):
        write_photo(tmp_path / (stem + suffix), PHOTO)
        assert (tmp_path / (stem + suffix)).stat().st_size > 100
    assert len(list(tmp_path.iterdir())) == 4
    assert (tmp_path / ("a" * (255 - len(suffix)) + suffix)).stat().st_mode & 0o600 == 0o600


def test_a_name_that_is_too_long(tmp_path):
    assert "shorter name" in refused(tmp_path / ("a" * 252 + ".png"), "too long")


def test_a_folder_that_is_missing_or_a_file(tmp_path):
    refused(tmp_path / "none" / "a.png", "does not exist")
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "a.png", "does not exist")
    (tmp_path / "b.png").mkdir()
    refused(tmp_path / "b.png", "is a folder")


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    refused(tmp_path / "a.png", "cannot be written to")


@pytest.mark.parametrize("call", ["fsync", "replace", "fdopen"])
@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EROFS, "another folder"),
        (errno.ENOENT, "gone"),
        (errno.EIO, "check the disk"),
    ],
)
def test_what_the_disk_says_becomes_a_sentence(call, number, advice, tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    assert advice in refused(target, os.strerror(number))
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("form", ALL)
def test_a_full_disk_in_the_middle_of_a_file(form, tmp_path, monkeypatch):
    import karat.app.outputs as outputs

    class Full:
        """A file on a disk with room for a few bytes."""

        def __init__(self, file):
            self.file, self.room = file, 60

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.room -= len(content)
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(content)

    opened = os.fdopen
    monkeypatch.setattr(outputs.os, "fdopen", lambda *arguments: Full(opened(*arguments)))
    refused(tmp_path / NAMES[form], "No space left on device.*make room")


def test_a_folder_that_vanishes_while_writing(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def write_without_a_folder():
        with replacing(folder / "a.png") as file:
            file.write(b"half")
            for left in folder.iterdir():
                left.unlink()
            folder.rmdir()

    with pytest.raises(BadInput, match="its folder is gone"):
        write_without_a_folder()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_nothing_is_left_when_the_work_ends_early(error, tmp_path):

    def write_half():
        with replacing(tmp_path / "a.png") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_replaced_and_what_it_points_to_kept(tmp_path):
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "a").symlink_to(tmp_path / "kept")
    write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "kept").read_bytes() == b"kept"
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("form", "bits"), [("JPEG", 8), ("WebP", 8), ("AVIF", 8), ("AVIF", 10), ("HEIC", 8), ("HEIC", 10), ("HEIC", 12)]
)
def test_flat_white_stays_white_where_something_is_lost(form, bits):
    """By default. An AVIF of 12 bits is the exception that the documentation names: there the codec is off by two."""
    pixels = np.full((256, 256, 3), 2**bits - 1, np.uint8 if bits == 8 else np.uint16)
    content, _ = coded(Photo(pixels, bits, "PNG"), form)
    assert np.array_equal(pixels_of(content, form)[0], pixels)


def test_lossless_avif_keeps_white_of_12_bits():
    pixels = np.full((256, 256, 3), 4095, np.uint16)
    content, _ = coded(Photo(pixels, 12, "PNG"), "AVIF", quality=100)
    assert np.array_equal(pixels_of(content, "AVIF")[0], pixels)
