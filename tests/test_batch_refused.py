"""Jobs that are refused before anything is written, and what they never write over."""

import json
import os
import shutil

import pytest
from batch_cases import picture, statuses, tree

from karat.refimpl.errors import BadInput

REFUSED = {
    "exists": ({}, "p0.png is there already"),
    "shape": ({"size": "wide"}, "the size is 'wide'"),
    "both": ({"size": "long=20", "scale": 2}, "both a scale and a size"),
    "far": ({"scale": 64}, "expected at most 4 passes"),
    "limits": ({"format": "webp", "size": "long=17000", "scale": None}, "16383 a side at most in WebP"),
    "dng": ({"format": "dng"}, "no sensor data"),
    "bits": ({"format": "jpeg", "bits": 16}, "bits is 16"),
    "memory": ({"max_memory": "10MB"}, "max_memory leaves"),
    "jobs": ({"jobs": 0}, "0 jobs"),
    "color": ({"color": "adobe"}, "color is 'adobe'"),
    "metadata": ({"metadata": "some"}, "metadata is 'some'"),
    "quality": ({"quality": 101}, "quality is 101"),
    "json": ({"json": "nothing/r.json"}, "folder nothing does not exist"),
    "overlap": ({"tile": 16, "overlap": 16}, "overlap by 16"),
    "negative": ({"tile": (16, 24), "overlap": -4}, "overlap by -4"),
    "lost": ({"overlap": 4}, "without a tile"),
    "nameless": ({"src": ""}, "an empty name"),
    "nowhere": ({"dst": ""}, "an empty name"),
    "long": ({"src": "y" * 300}, "a name of 300 bytes"),
    "longer": ({"dst": "../" + "y" * 300 + ".png"}, "a name of 304 bytes"),
    "deep": ({"dst": "yyyyyyy/" * 1000}, "a path of 7999 bytes|a path of 8000 bytes"),
    "shard": ({"shard": "3/2"}, "the shard is '3/2'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, job, name):
    options, words = REFUSED[name]
    picture(tmp_path / "out/p0.png")
    if name == "limits":
        picture(tmp_path / "in/long.png", 0, 5000, 2)
    if name != "exists":
        options = {"overwrite": True, **options}
    before = tree(tmp_path)
    with pytest.raises(BadInput, match=words):
        job(**options)
    assert tree(tmp_path) == before
    assert not list((tmp_path / "out").glob("karat-manifest*"))


def test_a_report_and_a_page_take_nobodys_place(tmp_path, job, tiny):
    """Originals, results, manifests, each other's, and what is there."""
    (tmp_path / "mine.txt").write_text("mine")
    os.link(tmp_path / "in/p3.png", tmp_path / "link")
    refused = {
        "in/p0.png": "is the input itself",
        "link": "is the input itself",
        "out/p0.png": "would be a result too",
        "new": "would be a folder of results too",
        "karat-manifest.jsonl": "is a manifest's name",
        tiny: "is the input itself",
    }
    (tmp_path / "out").mkdir()
    before = tree(tmp_path)
    for place, words in refused.items():
        for kind in ("json", "compare"):
            for more in ({}, {"dry_run": True}, {"shard": "4/4"} if place == "in/p0.png" else {}):
                dst = tmp_path / ("new/deep" if place == "new" else "out")
                with pytest.raises(BadInput, match=words):
                    job(dst=dst, overwrite=True, **{kind: tmp_path / place}, **more)
    with pytest.raises(BadInput, match="is given for two outputs"):
        job(json=tmp_path / "r", compare=tmp_path / "r")
    for more in ({}, {"resume": True}):
        with pytest.raises(BadInput, match=r"mine.txt is there already"):
            job(json=tmp_path / "mine.txt", **more)
    assert tree(tmp_path) == before


def test_a_report_and_a_page_of_a_run_before_are_written_again(tmp_path, job):
    papers = {"json": tmp_path / "r.json", "compare": tmp_path / "p.html"}
    job(**papers)
    with pytest.raises(BadInput, match=r"r.json is there already"):
        job(dst=tmp_path / "more", **papers)
    assert job(resume=True, **papers) == json.loads((tmp_path / "r.json").read_text())
    job(overwrite=True, **papers)


def test_resume_replaces_only_what_is_its_own(tmp_path, job):
    picture(tmp_path / "out/p1.png", 5)
    before = tree(tmp_path)
    with pytest.raises(BadInput, match=r"p1.png is there and no manifest says"):
        job(resume=True)
    lone = tmp_path / "in/p0.png", tmp_path / "out/p1.png"
    with pytest.raises(BadInput, match=r"p1.png is there and no manifest says"):
        job(*lone, resume=True)
    assert tree(tmp_path) == before
    (tmp_path / "in/p1.png").write_bytes(b"")
    (tmp_path / "out/p1.png").unlink()
    job()
    picture(tmp_path / "out/p1.png", 5)
    picture(tmp_path / "in/p1.png", 1)
    with pytest.raises(BadInput, match=r"p1.png is there and no manifest says"):  # it failed: the file is another's
        job(resume=True)
    assert statuses(job(resume=True, overwrite=True)) == ["done before", "written", "done before", "done before"]


def test_an_input_is_never_overwritten(tmp_path, job):
    before = tree(tmp_path)
    for src, dst in (
        (tmp_path / "in/p0.png", tmp_path / "in/p0.png"),
        (tmp_path / "in/p0.png", tmp_path / "in"),
        ([tmp_path / "in/p0.png", tmp_path / "in/p1.png"], tmp_path / "in"),
    ):
        with pytest.raises(BadInput, match=r"p0.png is the input itself"):
            job(src, dst, overwrite=True)
    os.link(tmp_path / "in/p1.png", tmp_path / "p0.png")
    before = tree(tmp_path)
    with pytest.raises(BadInput, match="is the input itself"):  # by another name
        job(tmp_path / "in", tmp_path, overwrite=True)
    assert tree(tmp_path) == before


def test_a_file_in_the_way_of_the_folder_is_said(tmp_path, job):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file is a file, expected a folder"):
        job(dst=tmp_path / "file/sub/out")


def test_a_truth_that_fits_nothing_is_refused_before_any_work(tmp_path, job):
    (tmp_path / "truths").mkdir()
    page, truth = tmp_path / "page.html", tmp_path / "truths"
    with pytest.raises(BadInput, match="holds no file called p0"):
        job(compare=page, truth=truth)
    shutil.copy(tmp_path / "in/p0.png", truth / "p0.png")
    with pytest.raises(BadInput, match="ground truth has"):
        job(src=tmp_path / "in/p0.png", dst=tmp_path / "one.png", compare=page, truth=truth / "p0.png")
    with pytest.raises(BadInput, match="is no folder and there are 4"):
        job(compare=page, truth=truth / "p0.png")
    with pytest.raises(BadInput, match="without a page"):
        job(truth=truth)
    assert not page.exists()
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "one.png").exists()
