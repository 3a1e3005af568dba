"""The page without a browser: it needs nothing but itself, says what the verdict says, and no name can break out."""

import base64
import hashlib
import json
import math
import re
import sys
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from page_verdicts import PLAN, operator, seen
from page_verdicts import budget as budget_of

from karat.app import cli
from karat.app import verify as app_verify
from karat.convert.fidelity import budget as causes
from karat.convert.fidelity.page import pictures, read_plan, render, to_html
from karat.convert.fidelity.page.charts import budget, dots
from karat.convert.fidelity.page.figures import figure, log_place, place, plain
from karat.convert.fidelity.page.plan import curve
from karat.refimpl.errors import BadInput

LARGEST = 5 * 10**6  # bytes


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


def data_of(html):
    return json.loads(Parts(html).raw["script"][0])


def read_back(value):
    """What JavaScript's Number() makes of an entry."""
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else value


def same(a, b):
    return a is b is None or a == b or (math.isnan(a) and math.isnan(b))


@pytest.fixture(scope="module")
def wrong():
    return seen(defect=True)


@pytest.fixture(scope="module")
def page(wrong):
    return to_html(wrong, PLAN, "net.pth, net.mlpackage")


def loads(html):
    """Everything on a page that a browser would fetch, or could be sent to."""
    found = []
    for tag, attributes in Parts(html).tags:
        found += [v for k, v in attributes.items() if k in ("src", "href", "srcset", "action", "data", "poster")]
        if tag in ("link", "base", "iframe", "object", "embed", "form"):
            found.append(tag)
    css = "".join(Parts(html).raw["style"])
    return [v for v in found if not v.startswith(("#", "data:image/png;base64,"))] + re.findall(r"url\(|@import", css)


def test_the_page_needs_nothing_but_itself(page):
    assert loads(page) == []
    policy = next(a["content"] for tag, a in Parts(page).tags if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "http" not in re.sub(
        r"http://www\.w3\.org/2000/svg", "", page.replace("http-equiv", "")
    )  # a name, not an address
    assert len(page) < LARGEST


@pytest.mark.parametrize("more", ["<script src=https://x.org/a.js></script>", "<style>a{b:url(c)}</style>", "<link>"])
def test_what_would_be_fetched_is_caught(page, more):
    assert len(loads(page + more)) == 1


def test_what_runs_is_the_script_that_the_policy_names(page):
    policy = next(a["content"] for tag, a in Parts(page).tags if "http-equiv" in a)
    _, script = Parts(page).raw["script"]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert base64.b64encode(hashlib.sha256((script + " ").encode()).digest()).decode() not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1]
    assert not [a for tag, a in Parts(page).tags if any(key.startswith("on") for key in a)]


def test_the_verdict_comes_first_and_names_the_culprit(page, wrong):
    text = " ".join("".join(Parts(page).text).split())
    culprit = wrong.culprit
    assert text.index("NOT FAITHFUL at cnn.2") < text.index("coloured by loss")
    assert culprit.note in text
    link = next(a for tag, a in Parts(page).tags if a.get("class") == "goto")
    assert data_of(page)["layers"][int(link["href"].removeprefix("#l"))]["layer"] == culprit.layer
    assert '<td class="num mid">3</td><th scope="row"><b>cnn.2</b></th>' in page


@pytest.mark.parametrize(("defect", "words"), [(False, "Faithful"), (True, "NOT FAITHFUL"), (None, "UNKNOWN")])
def test_the_three_answers(defect, words):
    html = to_html(seen(defect=defect))
    assert re.search(r"<h1>([A-Za-z ]+)", html)[1].strip().startswith(words)


def test_the_figures_are_those_of_the_verdict(page, wrong):
    data = data_of(page)
    assert len(data["layers"]) == len(wrong.rows)
    for found, row in zip(data["layers"], wrong.rows, strict=True):
        assert (found["layer"], found["verdict"], found["note"]) == (row.layer, row.verdict, row.note)
        assert same(found["structure"], row.structure)
        for name in ("sqnr", "max_abs", "largest"):
            assert same(read_back(found[name]), getattr(row.measured, name))
        assert [data["operators"][i]["name"] for i in found["at"]] == [o.name for o in row.operators]
    for found, figures in zip(data["operators"], wrong.operators, strict=True):
        for name in ("local_rms", "inherited_rms", "share", "largest", "gain", "amplification", "subnormals"):
            assert same(read_back(found[name]), getattr(figures, name))
        assert found["magnitudes"] == list(figures.magnitudes)
    cells = re.findall(r'<tr id="l\d+".*?</tr>', page)
    assert len(cells) == len(wrong.rows)
    for cell, row in zip(cells, wrong.rows, strict=True):
        assert f">{row.measured.sqnr:.1f}<" in cell
        assert f">{figure(row.local_rms)}<" in cell
    assert f"<b>{wrong.shares['total']:.1f}</b> dB" in page
    for line in wrong.summary():
        assert line in unescape(page)


def test_a_changed_figure_changes_the_page():
    changed = to_html(seen(odd=operator(0, share=0.123456789)))
    assert data_of(changed)["operators"][0]["share"] == 0.123456789


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"' onfocus=alert(1) x='",
    "{{ 7*7 }}",
]
HOSTILE += ["<!--<script>", "&lt;b&gt;", "a\u2028b\x00", "]]>"]


def breaks_out(html, clean):
    """Tags or attributes' names that a page has and a clean one has not."""
    shape = [[(tag, sorted(a)) for tag, a in Parts(text).tags] for text in (html, clean)]
    return shape[0] != shape[1]


def hostile_page(name):
    verdict = seen(defect=True, name=name)
    plan = PLAN | {"kept": [{"name": name, "type": name, "layer": name}], "union": PLAN["union"] | {"types": [name]}}
    return to_html(verdict, plan, name)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_out(name):
    html, clean = hostile_page(name), hostile_page("fine")
    assert not breaks_out(html, clean)
    assert data_of(html)["layers"][0]["layer"] == name
    assert data_of(html)["operators"][0]["name"] == name


def test_without_escaping_a_name_would_break_out(monkeypatch):
    clean, template = hostile_page("fine"), render._template()
    monkeypatch.setattr(template.environment, "autoescape", False)
    unescaped = template.environment.from_string(render._file("page.html.j2"))
    monkeypatch.setattr(render, "_template", lambda: unescaped)
    assert all(breaks_out(hostile_page(name), clean) for name in HOSTILE[:2])


@given(st.lists(st.floats(), min_size=7, max_size=7), st.one_of(st.none(), st.floats()))
@example([8.988465674311935e307, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], None)
def test_any_figure_can_be_shown(values, share):
    names = ("local_rms", "local_max", "inherited_rms", "size_rms", "largest", "amplification", "gain")
    odd = operator(0, share=share, **dict(zip(names, values, strict=True)))
    verdict = seen(defect=False, odd=odd)
    found = data_of(to_html(verdict))["operators"][0]
    assert all(same(read_back(found[name]), value) for name, value in zip(names, values, strict=True))


@given(st.floats(), st.floats(1e-30, 1e30), st.floats(1e-30, 1e30))
def test_places_lie_on_their_scale(value, one, other):
    low, high = sorted((one, other))
    assert 0 <= place(value, low, high) <= 100
    assert 0 <= log_place(value, low, high) <= 100
    json.dumps(plain(value), allow_nan=False)


@given(st.dictionaries(st.text(), st.floats(0, 1e3), max_size=12), st.floats(0, 1e3))
def test_the_budget_adds_up_to_what_was_measured(causes, total):
    found = budget(budget_of(causes, total))
    shares = [part["share"] for part in found["parts"]]
    assert sum(shares) + found["missing"] == pytest.approx(found["total"], abs=1e-9)
    assert max([0, *shares]) <= 100 + 1e-9
    assert shares == sorted(shares, reverse=True)


def test_the_difference_is_amplified_by_the_largest_power_that_saturates_nothing():
    golden = np.full((1, 3, 4, 5), 0.5)
    output = golden + np.linspace(-0.001, 0.00099, 60).reshape(golden.shape)
    found = pictures.pictures(golden, output)
    assert 0.25 < 0.001 * 2 ** found["power"] <= 0.5
    assert found["largest"] == pytest.approx(0.001)
    assert pictures.pictures(golden, golden)["largest"] == 0
    broken = np.where(output > 0.5005, np.nan, output)
    assert pictures.pictures(golden, broken)["broken"] == np.isnan(broken).sum()
    assert pictures.pictures(golden, output[..., :3])["difference"] is None


def test_a_large_picture_is_cut_around_its_largest_error():
    golden = np.zeros((1, 1, 700, 900), np.float32)
    output = golden.copy()
    output[0, 0, 650, 20] = 1
    found = pictures.pictures(golden, output)
    assert (found["cut"], found["height"], found["width"]) == ((188, 0), 512, 512)


def test_dots_stand_in_their_order():
    path = dots([1.0, None, 10.0, 0.0, math.inf], [65504, 32768])["path"]
    heights = [float(y) for y in re.findall(r" ([\d.]+)h0", path)]
    assert len(heights) == 4
    assert heights[3] < heights[1] < heights[0] == heights[2]  # the smallest is where the scale begins


levels = st.one_of(st.none(), st.floats(-1e3, 1e3), st.just("inf"))
kinds = st.sampled_from(["curve", "plan", "classes"])
points = {"operators": st.integers(0, 10**4), "predicted": levels, "measured": levels, "kind": kinds}


@given(levels, levels, st.lists(st.fixed_dictionaries(points), max_size=6), st.one_of(st.none(), st.integers(0, 900)))
def test_every_point_of_a_plan_lies_inside_the_drawing(target, achieved, found, union):
    union = None if union is None else {"types": [], "operators": union, "measured": 70.0}
    plan = {"target": target, "achieved": achieved, "curve": found, "kept": [], "union": union, "operators": 10**4}
    drawn = curve(plan)
    shown = [p for p in found if p["kind"] == "curve" and p["predicted"] not in (None, "inf")]
    assert sorted(p["operators"] for p in shown) == [p["operators"] for p in drawn["predicted"]]
    width, height, left, right, top, bottom = drawn.pop("size")
    for point in (point for kind in drawn.values() for point in kind):
        assert left - 0.1 <= point["x"] <= width - right + 0.1
        assert top - 0.1 <= point["y"] <= height - bottom + 0.1


def test_without_a_plan_the_page_says_how_to_make_one(page, wrong):
    command = "karat plan --target-psnr"
    assert command in to_html(wrong)
    assert command not in page


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", "3", '{"target": 1, "achieved": 1, "kept": 0, "curve": [], "union": 0}']
)
def test_what_is_no_plan_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(BadInput, match=r"plan\.json .*; make one with"):
        read_plan(tmp_path / "plan.json")


def test_every_limit_of_the_certificate_has_its_word(page):
    said = re.findall(r'<li class="(\w*)">(?:<span class="mark">(\w+)</span> )?(.*?)</li>', page)
    assert ("good", "certified", "cannot exceed 65504") in said
    assert ("unsure", "open", "may exceed 32768 at cnn.2") in said
    assert ("", "", "searched 200 images") in said


def test_a_target_that_is_missed_is_said(wrong):
    assert "is not reached" not in to_html(wrong, PLAN)
    assert "is not reached" in to_html(wrong, PLAN | {"achieved": 84.0})


def test_read_plan(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    assert read_plan(tmp_path / "plan.json") == PLAN
    with pytest.raises(BadInput, match="cannot be read"):
        read_plan(tmp_path / "none.json")


@pytest.fixture
def verify(monkeypatch, tmp_path, wrong):
    """``karat verify WORDS`` where the comparison itself is already done."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["karat.convert.fidelity.verify"], "verify", lambda *_, **__: wrong)
    monkeypatch.setattr(causes, "error_budget", lambda *_, **__: wrong.budget)
    monkeypatch.setattr(app_verify, "replace", lambda verdict, **_: verdict)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["karat", "verify", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code

    return call


def test_the_command_writes_the_page(verify, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    assert verify("--report", "out.html", "--plan", "plan.json") == 1
    html = (tmp_path / "out.html").read_text("utf-8")
    assert "zoo:quicksrnet-small-x2, exported to Core ML FP16 just now" in html
    assert "1 of 30 operators kept in float32" in html


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--plan plan.json", "without a page"),
        ("--report nothing/out.html", "folder nothing does not exist"),
        ("--report out.html --plan nothing.json", "nothing.json cannot be read"),
        ("--report out.html --plan plan.json", "holds no plan"),
        ("--report out.html --json ./out.html", "expected two files"),
        ("--report plan.json --plan plan.json", "is the input itself"),
        ("--report out.html --plan other.json", "plan of another network"),
    ],
)
def test_what_the_command_refuses(verify, tmp_path, capsys, words, found):
    (tmp_path / "plan.json").write_text("{}")
    (tmp_path / "other.json").write_text(json.dumps(PLAN | {"network": "another"}))
    assert verify(*words.split()) == 2
    printed = capsys.readouterr().err
    assert found in printed
    assert printed.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.json", "plan.json"]
