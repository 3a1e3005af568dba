"""Jobs on disks that are full, read-only or change under them."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from batch_cases import leftovers, picture, statuses, tree

from karat.app import outputs
from karat.app.batch import space, work
from karat.app.photos.decoder import Decoder
from karat.app.photos.write import encode
from karat.refimpl.errors import BadInput


def test_little_room_is_refused(tmp_path, job, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(BadInput, match=r"about 1 kB will be written and .* has 0 kB left"):
        job()
    assert not (tmp_path / "out").exists()


def test_what_is_done_needs_no_room(tmp_path, job, monkeypatch):
    """A job that a full disk stopped goes on when there is room for the rest."""
    job()
    (tmp_path / "out/p3.png").unlink()
    asked = []
    monkeypatch.setattr("karat.app.batch.checks.check_room", lambda size, folder: asked.append(size))
    job(resume=True)
    job(dst=tmp_path / "other")
    assert 0 < asked[0] < asked[1]


def test_a_full_disk_fails_each_and_leaves_nothing(tmp_path, job, monkeypatch):
    def full(photo, file, *rest):
        if file.name and photo.pixels.shape[1] == 12:  # of p1
            file.write(b"half a picture")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return encode(photo, file, *rest)

    monkeypatch.setattr(work, "encode", full)
    held = job()
    assert statuses(held) == ["written", "failed", "written", "written"]
    assert "No space left on device" in held["images"][1]["error"]
    assert leftovers(tmp_path / "out") == []
    assert sorted(tree(tmp_path / "out")) == [b"p0.png", b"p2.png", b"p3.png"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if not mounted or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place]).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_really_full(tmp_path, job, small_disk, monkeypatch):
    monkeypatch.setattr("karat.app.batch.checks.check_room", lambda size, folder: None)
    picture(tmp_path / "in/p1.png", 1, 300, 300)  # 1 MB of random numbers
    held = job(dst=small_disk / "out")
    assert statuses(held) == ["written", "failed", "written", "written"]
    assert "No space left on device" in held["images"][1]["error"]
    assert leftovers(small_disk) == []
    with pytest.raises(BadInput, match="No space left on device"):
        job(tmp_path / "in/p1.png", small_disk / "one.png")


@pytest.mark.parametrize("what", ["json", "compare"])
def test_a_report_that_would_find_no_room_is_refused_first(tmp_path, job, small_disk, what):
    """Before, all photographs were computed, and then nothing said what had become of them."""
    place = small_disk / f"report.{what}"
    for number in range(4, 12):
        picture(tmp_path / f"in/p{number}.png", 1, 300, 300)
    (small_disk / "ballast").write_bytes(bytes(251_904))  # 8 kB are left: enough for a first look
    with pytest.raises(BadInput, match=r"about \d+ [kM]B will be written and .*small has 8 kB left"):
        job(**{what: place})
    (small_disk / "ballast").write_bytes(bytes(262_144))
    with pytest.raises(BadInput, match="No space left on device") as refused:
        job(**{what: place})
    assert str(place) in str(refused.value)
    assert str(refused.value).count("expected") == 1
    assert not (tmp_path / "out").exists()
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_room_for_the_report_and_the_page_is_about_what_they_take(tmp_path, job, monkeypatch):
    asked = []
    monkeypatch.setattr("karat.app.batch.checks.check_room", lambda size, folder: asked.append(size))
    places = tmp_path / "r.json", tmp_path / "p.html"
    job(json=places[0], compare=places[1])
    for size, path in zip(asked[-2:], places, strict=True):
        assert path.stat().st_size <= size <= 10 * path.stat().st_size


def test_a_read_only_target_is_refused(tmp_path, job, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for dst in (small_disk, small_disk / "out", small_disk / "deep/out"):
        with pytest.raises(BadInput, match="cannot be written to"):
            job(dst=dst)
    with pytest.raises(BadInput, match="cannot be written to"):
        job(tmp_path / "in/p0.png", small_disk / "a.png")


def test_a_target_that_becomes_read_only(tmp_path, job, monkeypatch):
    def refuse(a, b):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(outputs.os, "replace", refuse)
    held = job()
    assert statuses(held) == ["failed"] * 4
    assert "Read-only file system" in held["images"][0]["error"]
    assert leftovers(tmp_path / "out") == []


def test_an_input_that_vanishes_or_changes(tmp_path, job, monkeypatch):
    real = Decoder.photo

    def photo(self, path):
        if path.name == "p1.png":
            path.unlink()
        if path.name == "p2.png":
            picture(path, 5, 30, 30)
        return real(self, path)

    monkeypatch.setattr(Decoder, "photo", photo)
    held = job()
    assert statuses(held) == ["written", "failed", "failed", "written"]
    assert "p1.png cannot be opened (No such file or directory)" in held["images"][1]["error"]
    assert "p2.png has changed since it was looked at" in held["images"][2]["error"]
