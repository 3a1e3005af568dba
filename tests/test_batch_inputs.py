"""What arguments stand for, and where results go: properties of names, and every odd folder."""

import os
import sys
from pathlib import Path

import pytest
from batch_cases import picture
from hypothesis import given
from hypothesis import strategies as st

from karat.app.batch.checks import check_names
from karat.app.batch.inputs import Source, find_inputs
from karat.app.batch.memory import Needs
from karat.app.batch.names import FIRST, file_format, is_file_name, named_format, output_path, same_name, temporary
from karat.app.batch.plan import Item, Refused
from karat.app.batch.shard import parse_shard, take_shard
from karat.app.photos.photo import Header
from karat.app.photos.size import plan_size
from karat.refimpl.errors import BadInput

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems allow fewer names")
NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)
SUFFIXES = st.sampled_from([".jpg", ".JPEG", ".png", ".heic", ".nef", ".CR2", ".dng", ".tif", ".jpe", ""])
PLACES = st.lists(NAMES.filter(lambda name: name not in (".", "..")), max_size=2)
FORMATS = st.sampled_from(sorted(FIRST))


def places(folder, **options):
    return [source.relative.as_posix() for source in find_inputs([folder], **options).sources]


def planned(source, path, format="PNG"):
    needs = Needs(0, 0, 0, 0, 1.0, "", None)
    return Item(source, path, Header(format, 2, 2, 3, 8), format, plan_size(2, 2, 2), needs, 0)


@st.composite
def sources(draw):
    """Photographs with their formats."""
    made = {}
    for _ in range(draw(st.integers(1, 12))):
        stem, suffix = draw(NAMES), draw(SUFFIXES)
        relative = Path(*draw(PLACES), stem.lstrip(".") + "x" + suffix)
        made[relative] = draw(FORMATS)
    return [(Source(Path("in") / relative, relative), format_) for relative, format_ in made.items()]


@given(sources())
def test_no_two_results_have_one_name_and_the_structure_is_kept(files):
    out = Path("out")
    items = [planned(source, output_path(source, format_, out), format_) for source, format_ in files]
    for item in items:
        relative = item.output.relative_to(out)
        assert relative.parent == item.source.relative.parent
        assert relative.stem == item.source.relative.stem
        assert relative.suffix.lower() == ".jpe" or named_format(relative.suffix) == item.format
    kept = [entry for entry in check_names(items, True) if isinstance(entry, Item)]
    assert len({same_name(item.output) for item in kept}) == len(kept)
    refused = [entry for entry in check_names(items, True) if isinstance(entry, Refused)]
    outputs = [item.output for item in items]
    assert len(refused) == len(outputs) - len(set(outputs))


def test_a_clash_names_both(tmp_path):
    one, two = (Source(tmp_path / name, Path(name)) for name in ("a.nef", "a.cr2"))
    items = [planned(source, output_path(source, "RAW", tmp_path / "out"), "RAW") for source in (one, two)]
    first, second = check_names(items, False)
    assert isinstance(first, Item)
    assert isinstance(second, Refused)
    assert "a.nef" in second.error
    assert "a.cr2" in second.error
    assert "a.dng" in second.error
    same_stem = [Source(tmp_path / name, Path(name)) for name in ("a.jpg", "a.heic")]
    items = [planned(s, output_path(s, f, tmp_path), f) for s, f in zip(same_stem, ("JPEG", "HEIC"), strict=True)]
    assert [item.output.name for item in items] == ["a.jpg", "a.heic"]


@given(NAMES, NAMES)
def test_temporary_names_are_short_and_differ(a, b):
    one, two = temporary(Path("out") / a), temporary(Path("out") / b)
    assert (one == two) == (a == b)
    assert len(one.name) < 40
    assert one.parent == Path("out")


def test_folders_are_searched_as_deep_as_asked(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.png", "sub/deep/d.webp", ".hidden/e.png", "sub/.f.png"):
        picture(tmp_path / name, format="PNG")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "film.mov").write_bytes(b"\0\0\0\x14ftypqt  ")
    found = find_inputs([tmp_path])
    assert [source.relative.as_posix() for source in found.sources] == ["a.JPG", "b.png"]
    assert found.line == "1 folder, 1 hidden file, 2 other files"
    assert places(tmp_path, recursive=True) == ["a.JPG", "b.png", "sub/c.png", "sub/deep/d.webp"]
    assert not found.lone


def test_patterns_that_no_shell_expanded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/b.jpg", "in/sub/c.png", "in/[x].png"):
        picture(tmp_path / name)
    assert [s.relative.name for s in find_inputs(["in/*.png"]).sources] == ["[x].png", "a.png"]
    assert [s.relative.as_posix() for s in find_inputs(["in/**/*.png"]).sources] == ["[x].png", "a.png", "sub/c.png"]
    lone = find_inputs(["in/[x].png"])  # a file is called so
    assert ([s.relative.name for s in lone.sources], lone.lone) == (["[x].png"], True)
    assert not find_inputs(["in/a.pn?"]).lone
    with pytest.raises(BadInput, match="nothing matches"):
        find_inputs(["in/*.tiff"])


def test_the_same_file_counts_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture("a.png")
    assert len(find_inputs(["a.png", "./a.png", "*.png", tmp_path]).sources) == 1


@linux
def test_links_and_loops(tmp_path):
    picture(tmp_path / "in/a.png")
    picture(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/link.png").symlink_to(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/gone.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "in/self.png").symlink_to(tmp_path / "in/self.png")
    os.mkfifo(tmp_path / "in/pipe.png")
    found = find_inputs([tmp_path / "in"], recursive=True)
    assert [source.relative.name for source in found.sources] == ["a.png", "gone.png", "link.png", "self.png"]
    assert found.left == {"linked folder": 2, "other file": 1}
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    assert len(find_inputs([tmp_path / "linked"]).sources) == 4  # a person named it


def test_results_are_not_taken_for_photographs(tmp_path):
    picture(tmp_path / "in/a.png")
    picture(tmp_path / "in/out/a.png")
    found = find_inputs([tmp_path / "in"], recursive=True, output=tmp_path / "in/out")
    assert [source.relative.as_posix() for source in found.sources] == ["a.png"]
    assert found.left == {"output folder": 1}
    with pytest.raises(BadInput, match="is the input and the output folder"):
        find_inputs([tmp_path / "in"], output=tmp_path / "in")


def test_nothing_to_do_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("x")
    (tmp_path / "texts/sub").mkdir()
    with pytest.raises(BadInput, match=r"empty holds no photograph, expected"):
        find_inputs([tmp_path / "empty"])
    with pytest.raises(BadInput, match=r"holds no photograph \(1 folder, 1 other file\).*add --recursive"):
        find_inputs([tmp_path / "texts"])
    with pytest.raises(BadInput, match="is no file"):
        find_inputs([tmp_path / "nothing.png"])


def test_what_an_output_is(tmp_path):
    assert is_file_name(tmp_path / "a.png", True)
    assert not is_file_name(tmp_path / "a.png", False)
    assert not is_file_name(tmp_path, True)
    assert not is_file_name(f"{tmp_path}/new.folder{os.sep}", True)
    assert not is_file_name(tmp_path / "folder", True)
    assert file_format("a.jpg", None) == file_format("a.jpg", "JPEG") == "JPEG"
    assert file_format("a.out", "TIFF") == "TIFF"
    with pytest.raises(BadInput, match="leave --format out"):
        file_format("a.jpg", "TIFF")
    with pytest.raises(BadInput, match="the format is 'gif'"):
        named_format("gif")


@given(sources(), st.integers(1, 5))
def test_shards_together_are_the_whole(files, count):
    everything = [source for source, _ in files]
    shards = [take_shard(everything, number, count) for number in range(1, count + 1)]
    assert sorted(source.relative for shard in shards for source in shard) == sorted(s.relative for s in everything)
    homes = {}
    for number, shard in enumerate(shards):
        for source in shard:  # what may clash is planned together
            assert homes.setdefault(source.relative.with_suffix(""), number) == number


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_shard(text):
    with pytest.raises(BadInput, match="expected one such as 1/4"):
        parse_shard(text)
