"""The page in headless Chromium: quiet, offline, fast, operable by keyboard, and never wider than the window."""

import pytest
from chromium import Browser, find_chromium
from page_verdicts import PLAN, seen

from karat.convert.fidelity.page import to_html

LIMIT = 2.0  # seconds from navigation to the first frame after the load event
pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium: install the package chromium")


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pages: of a small network, of one as large as light-x2-test, and one whose names are hostile."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "small.html").write_text(to_html(seen(defect=True), PLAN), "utf-8")
    (folder / "large.html").write_text(to_html(seen(defect=True, layers=460, per_layer=2), PLAN), "utf-8")
    hostile = "</script><script>alert(1)</script><img src=http://127.0.0.1:9/x.png onerror=alert(1)>" + "w" * 200
    (folder / "hostile.html").write_text(to_html(seen(defect=True, name=hostile), title=hostile), "utf-8")
    return folder


def focused(browser, what="tagName"):
    return browser.run(f"document.activeElement.{what}")


def column(browser, place, kind="layers"):
    return browser.run(f"[...document.querySelectorAll('#{kind} tr')].map((row) => row.cells[{place}].innerText)")


@pytest.mark.parametrize("name", ["small", "large", "hostile"])
@pytest.mark.parametrize(("width", "dark"), [(400, False), (1280, True), (2000, False)])
def test_it_is_quiet_offline_fast_and_fits(browser, folder, name, width, dark):
    page = folder / f"{name}.html"
    seconds = min(browser.open(page, width, dark=dark) for _ in range(3))  # the machine may be shared
    assert browser.problems() == []
    assert browser.requests() == [page.as_uri()]
    assert seconds < LIMIT
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.run("document.querySelectorAll('#layers tr')[2].click()")  # the panel of a row fits too
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelector('#detail .histogram') !== null")


def test_a_page_that_asks_for_something_is_caught(browser, folder):
    page = folder / "asking.html"
    page.write_text("<!doctype html><img src='http://127.0.0.1:9/x.png'><script>nothing()</script>", "utf-8")
    browser.open(page)
    assert browser.requests() != [page.as_uri()]
    assert browser.problems() != []


def test_the_policy_refuses_what_a_name_would_smuggle_in(browser, folder):
    page = folder / "smuggled.html"
    more = "<img src='http://127.0.0.1:9/x.png'><script>document.title = 'run'</script>"
    page.write_text((folder / "small.html").read_text("utf-8").replace("<main>", f"<main>{more}"), "utf-8")
    browser.open(page)
    ends = [event["params"] for event in browser.events if event.get("method") == "Network.loadingFailed"]
    assert [end.get("blockedReason") for end in ends] == ["csp"]
    assert browser.run("document.title") != "run"
    assert len(browser.problems()) >= 2


def test_colours_follow_the_scheme_and_are_legible(browser, folder):
    brightness = "((s) => s.match(/[\\d.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0))(getComputedStyle(document.body)."
    for dark in (False, True):
        browser.open(folder / "small.html", dark=dark)
        paper, ink = (browser.run(f"{brightness}{kind})") for kind in ("backgroundColor", "color"))
        assert (paper < ink) == dark
        assert abs(paper - ink) > 400  # of 765


def test_the_table_is_sorted_by_keyboard(browser, folder):
    browser.open(folder / "large.html")
    names = column(browser, 1)
    browser.run("document.querySelector('button[data-key=sqnr]').focus()")
    browser.press("Enter")
    levels = [float(text) for text in column(browser, 5)]
    assert levels == sorted(levels)
    assert browser.run("document.querySelector('th[aria-sort]').innerText").startswith("SQNR")
    browser.press(" ")
    assert [float(text) for text in column(browser, 5)] == sorted(levels, reverse=True)
    assert browser.run("document.querySelectorAll('th[aria-sort]').length") == 1
    browser.press("Enter")  # the third time gives the order of execution back
    assert column(browser, 1) == names
    assert browser.run("document.querySelector('th[aria-sort]').innerText").startswith("#")


def test_rows_are_walked_and_filtered_by_keyboard(browser, folder):
    browser.open(folder / "large.html")
    browser.run("document.querySelector('#layers tr').focus()")
    browser.press("ArrowDown", "ArrowDown")
    assert focused(browser, "id") == "l2"
    assert "expected 0.013" in browser.run("document.querySelector('#detail').innerText")
    browser.press("End")
    assert focused(browser, "id") == "l459"
    browser.run("document.querySelector('#filter').focus()")
    browser.call("Input.insertText", text="defect")
    assert browser.run("document.querySelectorAll('#layers tr:not([hidden])').length") == 1
    assert browser.run("document.querySelector('#count').value") == "1 of 460"


def test_operators_are_shown_on_demand(browser, folder):
    browser.open(folder / "large.html")
    browser.run("document.querySelector('input[value=layers]').focus()")
    browser.press("ArrowRight")
    assert browser.run("[...document.querySelectorAll('tbody:not([hidden]) tr[tabindex]')].length") == 920
    assert browser.run("document.querySelector('#layers').hidden")


def test_the_strip_is_one_stop_and_arrows_move_inside(browser, folder):
    browser.open(folder / "large.html")
    assert browser.run("document.querySelectorAll('.strip .cell[tabindex=\"0\"]').length") == 1
    browser.run("document.querySelector('.strip .cell').focus()")
    browser.press("ArrowRight", "ArrowRight")
    label = focused(browser, "ariaLabel")
    assert "defect, SQNR 42.0 dB" in label
    assert browser.run("document.querySelector('#strip .readout').textContent") == label
    browser.press("ArrowDown", "ArrowUp")
    assert focused(browser, "ariaLabel") == label
    browser.press("Enter")
    assert focused(browser, "id") == "l2"
    assert browser.run("document.querySelector('#l2').getAttribute('aria-selected')") == "true"


def test_the_culprit_leads_to_its_row(browser, folder):
    browser.open(folder / "large.html", width=400)
    browser.run("document.querySelector('h1 a').focus()")
    browser.press("Enter")
    assert focused(browser, "id") == "l2"


def test_the_slider_works_by_keyboard(browser, folder):
    browser.open(folder / "small.html")
    cut = "getComputedStyle(document.querySelector('.over')).clipPath"
    before = browser.run(cut)
    browser.run("document.querySelector('#slider').focus()")
    browser.press("ArrowRight", "ArrowRight")
    assert before == "inset(0px 0px 0px 50%)"
    assert browser.run(cut) == "inset(0px 0px 0px 52%)"
    browser.press("Home")
    assert browser.run(cut) in ("inset(0px)", "inset(0px 0px 0px 0%)")


def test_every_stop_of_the_tab_key_shows_where_it_is(browser, folder):
    browser.open(folder / "small.html")
    seen = []
    for _ in range(60):
        browser.press("Tab")
        seen.append(browser.run("document.activeElement.outerHTML.slice(0, 60)"))
        if focused(browser) == "BODY":
            break
        assert browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert focused(browser) == "BODY"  # through the whole page and out of it
    assert any("slider" in stop for stop in seen)


def test_it_prints_without_controls(browser, folder):
    browser.open(folder / "small.html")
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('.controls')).display") == "none"
    assert browser.run("getComputedStyle(document.querySelector('.box')).overflow") == "visible"
    browser.call("Emulation.setEmulatedMedia", media="")
