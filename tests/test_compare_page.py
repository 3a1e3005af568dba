"""The page of before and after without a browser: it needs nothing but itself, and no name can break out."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from compare_pairs import HOSTILE, cut_out, grey, pair, photo, sensor, wide

from karat.app.photos.compare import Pair, page, write_comparison
from karat.app.photos.compare.crops import COUNT
from karat.app.photos.compare.pictures import DETAIL, WHOLE
from karat.refimpl.errors import BadInput


class Parts(HTMLParser):
    """Every tag with its attributes; text of scripts and styles; text of everything else."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.raw, self.text, self.open = [], {"script": [], "style": []}, [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = tag if tag in self.raw else None

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        (self.raw[self.open] if self.open else self.text).append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def written(folder, *pairs, **more):
    path = folder / "page.html"
    write_comparison(path, pairs, **more)
    return path.read_text("utf-8")


def text_of(html):
    return " ".join("".join(Parts(html).text).split())


def faults(html):
    """What a browser would fetch, run or refuse, and what a person who does not see could not name."""
    found, parts = [], Parts(html)
    for tag, attributes in parts.tags:
        links = [v for k, v in attributes.items() if k in ("src", "href", "srcset", "action", "data", "poster")]
        found += [v for v in links if not re.match(r"#|data:image/(png|jpeg);base64,[\w+/=]*$", v)]
        found += [k for k in attributes if k.startswith("on")]
        found += [tag] if tag in ("link", "base", "iframe", "object", "embed", "form") else []
    found += re.findall(r"url\(|@import", "".join(parts.raw["style"]))
    policy = next(a["content"] for a in parts.all("meta") if "http-equiv" in a)
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in parts.raw["script"]]
    found += [
        script for script, known in zip(parts.raw["script"], hashes, strict=True) if f"'sha256-{known}'" not in policy
    ]
    found += [policy] if "default-src 'none'" not in policy or "'unsafe" in policy.split("script-src")[1] else []
    found += ["img"] * sum(not a.get("alt", "").strip() for a in parts.all("img"))
    found += ["input"] * sum(a["type"] == "range" and not a.get("aria-label") for a in parts.all("input"))
    names = [a["id"] for _, a in parts.tags if "id" in a]
    return found + [name for name in names if names.count(name) > 1]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    pairs = [pair(), pair(HOSTILE, 120, False), grey(), cut_out(), wide(), sensor()]
    return written(tmp_path_factory.mktemp("page"), *pairs)


def test_it_needs_nothing_but_itself(several):
    assert faults(several) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<main>", "<main><img src=https://x.org/a.png alt=a>"),
        ("<main>", "<main><script src=https://x.org/a.js></script>"),
        ("<main>", "<main><script>1</script>"),
        ("<main>", "<main onclick=go()>"),
        ("<main>", "<main><link>"),
        ("<style>", "<style>a{b:url(c)}"),
        ("default-src 'none'", "default-src 'self'"),
        ("script-src ", "script-src 'unsafe-inline' "),
        (', before"', '" alt2="'),
        ('aria-label="before and after', 'data-label="before and after'),
        ('id="p2"', 'id="p1"'),
    ],
)
def test_a_page_that_needs_more_is_caught(several, old, new):
    assert old in several
    broken = several.replace(old, new) if old != ', before"' else re.sub(r'alt="[^"]*"', 'alt=""', several)
    assert faults(broken) != []


def test_a_name_stays_a_name(several):
    parts = Parts(several)
    assert HOSTILE in "".join(parts.text)
    assert len(parts.raw["script"]) == 2
    assert {a["alt"] for a in parts.all("img")} >= {f"{HOSTILE}, before", f"{HOSTILE}, after"}
    assert "<title>Before and after: 6 photographs</title>" in several


@pytest.mark.parametrize("name", [HOSTILE, "a\udcff.png", "a\0\x1b[31m\u202eb.png", "n" * 5000, "", "é日本🙂"])
def test_any_name_can_be_written(tmp_path, name):
    html = written(tmp_path, pair(name, 60, False))
    assert faults(html) == [] if name.strip() else True
    assert not re.search(r"[\x00-\x08\x0e-\x1f\u202e]", html)
    assert len(html) < 200_000


def test_it_says_what_is_shown(several):
    text = text_of(several)
    for words in (
        "200 x 200 pixels, 400 x 400 in the result.",
        "16 bits shown as 8.",
        "Transparency shown on a checkerboard.",
        "to sRGB.",
        "Light shown through sRGB's curve.",
        "Before is the photograph enlarged by bicubic interpolation",
        "On luma (Y of BT.601) of 8-bit sRGB, 2 pixels cut from each side; SSIM with an 11 x 11 Gaussian window.",
    ):
        assert words in text


def test_figures_stand_there_only_with_a_truth(tmp_path):
    from karat.app.photos.compare.numbers import likeness
    from karat.app.photos.compare.shown import resized

    one = pair()
    html = written(tmp_path, one)
    before = resized(one.before.pixels, 400, 400)
    for picture, name in ((before, "before"), (one.after.pixels, "after")):
        level, alike = likeness(one.truth.pixels, picture, 2)
        row = re.search(rf'<tr><th scope="row">{name}</th>(.*?)</tr>', html)[1]
        assert re.findall(r">([\d.]+)<", row) == [f"{level:.2f}", f"{alike:.4f}"]
    best = re.findall(r'class="best">([\d.]+)<', html)
    assert best == re.findall(r">([\d.]+)<", re.search(r"before</th>(.*?)</tr>", html)[1])  # repeated pixels are worse
    assert "PSNR" not in text_of(written(tmp_path, pair(truth=False)))


def test_a_perfect_and_a_tiny_result_are_said(tmp_path):
    one = pair(size=60)
    text = text_of(written(tmp_path, Pair("a.png", one.before, one.truth, one.truth)))
    assert "inf" in text
    assert "1.0000" in text
    assert "Too few pixels" in text_of(written(tmp_path, pair(size=12)))
    text = text_of(written(tmp_path, Pair("a.png", one.truth, one.truth)))
    assert "Before and after are the same." in text


def test_a_truth_of_another_size_is_refused(tmp_path):
    one = pair(size=60)
    with pytest.raises(BadInput, match="the ground truth has 30 x 30 pixels, expected 60 x 60"):
        written(tmp_path, Pair("a.png", one.before, one.after, one.before))
    assert list(tmp_path.iterdir()) == []


def test_a_truth_that_was_cut_is_cut_here(tmp_path):
    one = pair(size=60)
    import numpy as np

    more = photo(np.pad(one.truth.pixels, ((0, 1), (0, 1), (0, 0))))
    assert written(tmp_path, Pair("a.png", one.before, one.after, more)) == written(
        tmp_path, Pair("a.png", *_rest(one))
    )


def _rest(one):
    return one.before, one.after, one.truth


def test_a_page_that_is_full_says_so_and_takes_no_more(tmp_path, monkeypatch):
    one = pair(size=120, truth=False)
    used = page._photo(one)["bytes"]
    monkeypatch.setattr(page, "ROOM", 2 * used)
    taken = []
    pairs = (taken.append(i) or one for i in range(9))
    assert write_comparison(tmp_path / "page.html", pairs, of=9) == 2
    assert taken == [0, 1, 2]
    html = (tmp_path / "page.html").read_text()
    assert "The page is full: 2 of 9 photographs are shown." in text_of(html)
    assert html.count("<section") == 2
    assert "full" not in text_of(written(tmp_path, one, one))


def test_one_photograph_always_fits_and_none_is_no_fault(tmp_path):
    assert 4 / 3 * (2 * WHOLE + 2 * COUNT * DETAIL) < page.ROOM
    assert "Before and after" in text_of(written(tmp_path))


def test_the_same_pairs_give_the_same_bytes(tmp_path):
    assert written(tmp_path, pair(), cut_out()) == written(tmp_path, pair(), cut_out())
