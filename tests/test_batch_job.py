"""Jobs: the same results however they are made, proven by a manifest, and one bad file stops nobody."""

import json
import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from batch_cases import leftovers, picture, run, statuses, tiny_network, tree
from PIL import Image

import karat
from karat.app.batch import work
from karat.app.batch.plan import Item
from karat.app.batch.pool import packed, unpacked
from karat.app.photos.decoder import Decoder
from karat.app.photos.write import encode
from karat.refimpl.errors import BadInput

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems allow fewer names")


def test_a_folder_keeps_its_structure_and_the_manifest_its_word(tmp_path, job, tiny):
    held = job(recursive=True, json=tmp_path / "r.json")
    assert held == json.loads((tmp_path / "r.json").read_text())
    assert held["ok"]
    assert statuses(held) == ["written"] * 5
    assert sorted(tree(tmp_path / "out")) == [b"p0.png", b"p1.png", b"p2.png", b"p3.png", b"sub/q.png"]
    lines = [json.loads(line) for line in (tmp_path / "out/karat-manifest.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "begun" not in line]
    assert [line["output"] for line in lines] == ["p0.png", "p1.png", "p2.png", "p3.png", "sub/q.png"]
    assert {os.fsencode(line["output"]): line["output_sha256"] for line in lines} == tree(tmp_path / "out")
    for line in lines:
        assert line["karat"] == karat.__version__
        assert line["seconds"] > 0
        assert line["error"] is None
    with Image.open(tmp_path / "in/p0.png") as photo, Image.open(tmp_path / "out/p0.png") as made:
        assert np.array_equal(made, karat.upscale_array(np.asarray(photo), tiny, threads=1))


def test_pool_and_serial_and_shards_agree(tmp_path, job):
    job(recursive=True)
    whole = tree(tmp_path / "out")
    job(dst=tmp_path / "pool", recursive=True, jobs=2)
    assert tree(tmp_path / "pool") == whole
    for number in (1, 2, 3):
        job(dst=tmp_path / "shards", recursive=True, shard=f"{number}/3")
    assert tree(tmp_path / "shards") == whole
    assert statuses(job(dst=tmp_path / "shards", recursive=True, resume=True)) == ["done before"] * 5


def test_resume_does_what_is_not_proven(tmp_path, job):
    job()
    first = tree(tmp_path / "out")
    picture(tmp_path / "in/p0.png", 77)  # another input
    (tmp_path / "out/p1.png").unlink()  # a lost result
    (tmp_path / "out/p2.png").write_bytes(b"half")  # a changed one
    (work.temporary(tmp_path / "out/p2.png")).write_bytes(b"left")
    held = job(resume=True)
    assert statuses(held) == ["written", "written", "written", "done before"]
    assert {name for name, value in tree(tmp_path / "out").items() if first[name] != value} == {b"p0.png"}
    assert leftovers(tmp_path / "out") == []
    assert statuses(job(resume=True)) == ["done before"] * 4
    assert statuses(job(resume=True, quality=50)) == ["written"] * 4  # another option
    assert statuses(job(resume=True, quality=50, threads=2, max_memory="2GB")) == ["done before"] * 4
    (tmp_path / "in/p3.png").rename(tmp_path / "in/p4.png")
    assert statuses(job(resume=True, quality=50)) == ["done before"] * 3 + ["written"]


def test_other_weights_and_versions_prove_nothing(tmp_path, job, monkeypatch):
    job()
    monkeypatch.setattr("karat.app.batch.run.version", lambda name: "0.0")
    assert statuses(job(resume=True)) == ["written"] * 4
    held = karat.upscale(tmp_path / "in", tmp_path / "out", threads=1, resume=True)  # the zoo's network
    assert statuses(held) == ["written"] * 4


def test_one_bad_file_stops_nobody(tmp_path, job):
    (tmp_path / "in/p1.png").write_bytes((tmp_path / "in/p1.png").read_bytes()[:60])
    (tmp_path / "in/p2.png").write_bytes(b"")
    held = job()
    assert statuses(held) == ["written", "failed", "failed", "written"]
    assert not held["ok"]
    assert "p2.png is empty" in held["images"][2]["error"]
    assert sorted(tree(tmp_path / "out")) == [b"p0.png", b"p3.png"]
    lines = (tmp_path / "out/karat-manifest.jsonl").read_text().splitlines()
    assert sum(json.loads(line).get("error") is not None for line in lines) == 2


def test_a_result_without_its_line_is_begun_again(tmp_path, job, monkeypatch):
    """As where a run is killed between the two, in this process and in others."""

    def killed(*_):
        raise KeyboardInterrupt

    for number in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr("karat.app.batch.run._Book.add", killed)
            with pytest.raises(KeyboardInterrupt):
                job(dst=tmp_path / f"out{number}", jobs=number)
        assert tree(tmp_path / f"out{number}")
        held = job(dst=tmp_path / f"out{number}", jobs=number, resume=True)
        assert statuses(held) == ["written"] * 4


def test_a_quality_that_is_not_used_is_said(tmp_path, job):
    notes = job(quality=50)["images"][0]["notes"]
    assert notes == ["the quality of 50 is not used: PNG loses nothing"]
    assert job(dst=tmp_path / "jpegs", quality=50, format="jpeg")["images"][0]["notes"] == []


@linux
def test_every_name_there_can_be(tmp_path, job):
    shutil.rmtree(tmp_path / "in")
    names = [
        "-o.png",
        "--model.png",
        " .png",
        "ü ñ 漢字 🙂.png",
        "new\nline.png",
        "%s{}.png",
        "x" * 251 + ".png",
        "'\"$(x).png",
    ]
    for name in names:
        picture(tmp_path / "in" / name)
    raw = os.fsdecode(b"latin-\xe9\xff.png")
    picture(tmp_path / "in/a.png").rename(tmp_path / "in" / raw)
    held = job(json=tmp_path / "r.json", jobs=2)
    assert statuses(held) == ["written"] * 9
    assert sorted(tree(tmp_path / "out")) == sorted(os.fsencode(name) for name in (*names, raw))
    assert statuses(job(resume=True)) == ["done before"] * 9
    long = "y" * 250 + ".heif"
    picture(tmp_path / "long" / long, format="PNG")  # .png is shorter
    job(tmp_path / "long", tmp_path / "out2")
    picture(tmp_path / "longer" / ("z" * 251 + ".jpg"))
    with pytest.raises(BadInput, match="has a name of 256 bytes, expected 255"):
        job(tmp_path / "longer", tmp_path / "out3", format="avif")


def test_the_command_takes_names_with_dashes(tmp_path, tiny):
    picture(tmp_path / "-in.png")
    out, err = run(tmp_path, "--model", tiny, "--threads", "1", "-o", "./-out.png", "--", "-in.png")
    assert out.splitlines()[-1] == "-out.png written"
    assert err == ""
    assert (tmp_path / "-out.png").is_file()


def test_exit_codes_and_sentences(tmp_path, tiny):
    picture(tmp_path / "in/a.png")
    (tmp_path / "in/b.png").write_bytes(b"x")
    (tmp_path / "in/c.txt").write_bytes(b"x")
    words = ("in", "-o", "out", "--model", tiny, "--threads", "1")
    out, err = run(tmp_path, *words, code=1)
    assert out.splitlines()[1:] == ["out/a.png written", "1 written, 1 failed, left alone: 1 other file"]
    assert err.count("\n") == 1
    assert err.startswith("karat: b.png is of no known type")
    _, err = run(tmp_path, *words, code=2)
    assert "a.png is there already" in err
    out, _ = run(tmp_path, *words, "--resume", code=1)
    assert out.splitlines()[-1] == "0 written, 1 done before, 1 failed, left alone: 1 other file"
    _, err = run(tmp_path, "in/b.png", "-o", "b.png", "--model", tiny, code=2)
    assert err.count("\n") == 1


def test_a_dry_run_writes_nothing(tmp_path, tiny):
    picture(tmp_path / "in/a.png")
    picture(tmp_path / "in/b.png", 1, 400, 3)
    before = tree(tmp_path)
    words = ("in", "-o", "out", "--model", tiny, "--threads", "1", "--dry-run")
    out, err = run(tmp_path, *words)
    assert err == ""
    assert "9 x 7 -> 18 x 14" in out
    assert "in/a.png" in out
    assert "an estimate" in out
    out, err = run(tmp_path, *words, "--size", "long=17000", "--format", "webp", code=2)
    assert "expected at most 4 passes" in out
    assert tree(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_one_photograph_into_a_folder_or_a_file(tmp_path, job):
    job(tmp_path / "in/p0.png", tmp_path / "folder")
    job(tmp_path / "in/p0.png", tmp_path / "a.jpg")
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["karat-manifest.jsonl", "p0.png"]
    with Image.open(tmp_path / "a.jpg") as made:
        assert made.format == "JPEG"
    assert not list(tmp_path.glob("karat-manifest*"))
    with pytest.raises(BadInput, match="is a file, expected a folder"):
        job(dst=tmp_path / "a.jpg")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC"])
def test_every_format_comes_out_as_it_went_in_and_again_the_same(tmp_path, job, format_):
    suffix = {"JPEG": ".jpg", "TIFF": ".tif", "HEIC": ".heic"}.get(format_, f".{format_.lower()}")
    with Decoder() as decoder:
        source = decoder.photo(tmp_path / "in/p3.png")
    source = replace(source, pixels=np.tile(source.pixels, (12, 12, 1)))
    (tmp_path / "kind").mkdir()
    with open(tmp_path / f"kind/a{suffix}", "wb+") as file:
        encode(source, file, format_)
    for folder in ("one", "two"):
        held = job(tmp_path / "kind", tmp_path / folder)
        assert (held["ok"], held["images"][0]["written_as"]) == (True, format_)
    assert tree(tmp_path / "one") == tree(tmp_path / "two") != {}
    run(tmp_path, "kind", "-o", "three", "--model", tiny_network(tmp_path), "--jobs", "1", "--threads", "2")
    assert tree(tmp_path / "three") == tree(tmp_path / "one")  # in another process


def test_a_plan_survives_the_way_to_a_process(tmp_path, job, monkeypatch):
    seen = []
    monkeypatch.setattr("karat.app.batch.run.upscale_item", lambda item, *rest: seen.append(item) or work.Result())
    job()
    assert len(seen) == 4
    for item in seen:
        assert isinstance(item, Item)
        assert unpacked(packed(item)) == item


def test_a_process_that_dies_fails_one_photograph(tmp_path, job, monkeypatch):
    monkeypatch.setattr("karat.app.batch.pool.CODE", "import sys; sys.stdin.readline(); sys.stdin.readline()")
    held = job(jobs=2)
    assert statuses(held) == ["failed"] * 4
    assert all("run again with fewer --jobs" in image["error"] for image in held["images"])


def test_raw_files_become_linear_dngs(tmp_path, job, data):
    held = job(data / "camera/colorchart.dng", tmp_path / "out")
    assert held["ok"]
    assert [path.name for path in (tmp_path / "out").glob("*.dng")] == ["colorchart.dng"]


def test_a_page_compares_what_was_made_with_the_truth(tmp_path, job):
    (tmp_path / "truths").mkdir()
    for i in range(4):
        small = np.asarray(Image.open(tmp_path / f"in/p{i}.png"))
        Image.fromarray(small.repeat(2, 0).repeat(2, 1)).save(tmp_path / f"truths/p{i}.tif")
    page = tmp_path / "page.html"
    job(compare=page, truth=tmp_path / "truths")
    text = page.read_text()
    assert text.count("PSNR") >= 4
    assert all(f"p{i}.png" in text for i in range(4))
    one = {"truth": tmp_path / "truths/p0.tif", "overwrite": True}
    job(src=tmp_path / "in/p0.png", dst=tmp_path / "one.png", compare=page, **one)
    assert "p1.png" not in page.read_text()
    job(dst=tmp_path / "more", compare=page, overwrite=True)
    assert "PSNR" not in page.read_text().partition("<main")[2]


def test_progress_leaves_room_for_the_encoder(tmp_path):
    """A HEIC takes far longer to encode than to compute: the bar must not be full before."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(tmp_path / "a.png")
    seen = []
    for suffix, network in (("heic", 0.3), ("jpg", 0.7)):
        seen.clear()
        karat.upscale(tmp_path / "a.png", tmp_path / f"b.{suffix}", progress=lambda done, total: seen.append(done))
        assert seen[0] == 0
        assert seen[-1] == 1
        assert seen == sorted(seen)
        assert 0 < seen[-2] < network if suffix == "heic" else network < seen[-2] < 1
