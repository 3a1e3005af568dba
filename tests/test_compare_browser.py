"""The page of before and after in headless Chromium: quiet, offline, still, legible, by keyboard, pixel for pixel."""

import base64
import io
import re

import numpy as np
import pytest
from chromium import Browser, find_chromium
from compare_pairs import HOSTILE, cut_out, grey, pair, sensor, wide
from PIL import Image

from karat.app.photos.compare import write_comparison

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium: install the package chromium")
BARE = ".tag, .stage::after { display: none !important } .stage { border-radius: 0 !important }"
WHOLE, DETAIL = "#p1-0", "#p1-1"
# Of every element that holds words: the lowest contrast of ink on what lies behind; behind a picture lies white.
CONTRAST = """(() => {
  const light = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const color = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const under = (node) => {
    if (!node || node.classList.contains("stage")) return [255, 255, 255];
    const [r, g, b, a] = color(getComputedStyle(node).backgroundColor);
    const below = a < 1 ? under(node.parentElement) : [0, 0, 0];
    return [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || node.tagName === "SCRIPT") continue;
    const [a, b] = [luminance(color(getComputedStyle(node).color)), luminance(under(node))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.textContent.slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()"""
SHIFT = """new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((e) => (sum += e.value)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 300);
})"""


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "page.html"
    write_comparison(path, [pair("photo.png", 512), pair(HOSTILE, 120), grey(), cut_out(), wide(), sensor()])
    return path


def clip_of(browser, slider):
    """Where the upper picture is cut, and the box that it lies in."""
    over = f"document.querySelector('{slider}').closest('figure').querySelector('.over')"
    return browser.run(f"getComputedStyle({over}).clipPath")


def settle(browser, condition):
    """Wait for a condition: scrolling takes some frames."""
    return browser.run(
        f"new Promise((done) => {{ let left = 120; const look = () => ({condition}) || !left-- ? done({condition}) : "
        "requestAnimationFrame(look); look(); })"
    )


@pytest.fixture(scope="module", params=[1, 1.5, 2, 3])
def dense(request):
    """Screens of more pixels."""
    browser = Browser(density=request.param)
    browser.density = request.param
    yield browser
    browser.close()


@pytest.mark.parametrize(("width", "dark"), [(360, False), (390, True), (1280, True), (2000, False)])
def test_it_is_quiet_offline_still_and_fits(browser, path, width, dark):
    browser.open(path, width, dark=dark)
    assert browser.problems() == []
    assert browser.requests() == [path.as_uri()]
    assert browser.run(SHIFT) == 0
    assert browser.run("document.documentElement.scrollWidth") <= width
    for zoom in (4, 2, 1):
        browser.run(f"document.querySelector('#zoom-{zoom}').click()")
        assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert browser.problems() == []


def test_a_jump_is_seen(browser, path):
    browser.open(path)
    move = "document.querySelector('main').style.marginTop = '200px'"
    browser.run(f"new Promise((done) => setTimeout(() => {{ {move}; done() }}, 600))")
    assert browser.run(SHIFT) > 0


@pytest.mark.parametrize("dark", [False, True])
def test_words_are_legible(browser, path, dark):
    browser.open(path, dark=dark)
    least = browser.run(CONTRAST)
    assert len(least) > 30
    assert least[0][0] >= 4.5, least[0]  # WCAG 2.2, 1.4.3
    browser.run("document.documentElement.style.setProperty('--dim', '#777')")
    assert browser.run(CONTRAST)[0][0] < 4.5


@pytest.mark.parametrize("slider", [WHOLE, DETAIL])
def test_the_slider_moves_by_keyboard_and_the_clip_follows(browser, path, slider):
    browser.open(path)
    browser.run(f"document.querySelector('{slider}').focus()")
    assert clip_of(browser, slider) == "inset(0px 0px 0px 50%)"
    browser.press("ArrowRight", "ArrowRight")
    assert clip_of(browser, slider) == "inset(0px 0px 0px 52%)"
    assert browser.run("document.activeElement.getAttribute('aria-valuetext')") == "52 % before, 48 % after"
    browser.press("ArrowLeft")
    assert clip_of(browser, slider) == "inset(0px 0px 0px 51%)"
    browser.press("Home")
    assert clip_of(browser, slider) in ("inset(0px)", "inset(0px 0px 0px 0%)")
    browser.press("End")
    assert clip_of(browser, slider) == "inset(0px 0px 0px 100%)"
    other = DETAIL if slider == WHOLE else WHOLE
    assert clip_of(browser, other) == "inset(0px 0px 0px 50%)"


def test_the_slider_follows_the_mouse(browser, path):
    browser.open(path)
    box = browser.run(
        "(({x, y, width}) => [x, y, width])(document.querySelector('.whole .stage').getBoundingClientRect())"
    )
    mouse = {"button": "left", "y": box[1] + 20, "clickCount": 1}
    for kind, share in (("mousePressed", 0.25), ("mouseMoved", 0.75), ("mouseReleased", 0.75)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=box[0] + share * box[2], buttons=1, **mouse)
        assert clip_of(browser, WHOLE) == f"inset(0px 0px 0px {round(100 * share)}%)"
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 5, y=box[1] + 20, buttons=0)
    assert clip_of(browser, WHOLE) == "inset(0px 0px 0px 75%)"


def test_details_are_enlarged_and_panned_by_keyboard(browser, path):
    browser.open(path)
    assert browser.run("document.querySelectorAll('.pan[tabindex]').length") == 0  # nothing to move at 1:1
    browser.run("document.querySelector('#zoom-1').focus()")
    browser.press("ArrowRight", "ArrowRight")
    assert settle(browser, "document.querySelectorAll('.detail .pan[tabindex=\"0\"]').length > 3")
    browser.run("document.querySelector('.detail .pan').focus()")
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    browser.press("ArrowRight", "ArrowRight")
    assert settle(browser, "document.activeElement.scrollLeft > 40")
    browser.press("ArrowDown")
    assert settle(browser, "document.activeElement.scrollTop > 0")
    browser.run("new Promise((done) => setTimeout(done, 400))")
    moved, wide = browser.run("[document.activeElement.scrollLeft, document.activeElement.parentElement.clientWidth]")
    found = float(re.search(r"([\d.]+)px\)", clip_of(browser, DETAIL))[1])
    assert found == pytest.approx(moved + wide / 2, abs=1 / 64)  # of a pixel: how finely Chromium lays out


def test_every_stop_of_the_tab_key_shows_where_it_is(browser, path):
    browser.open(path)
    stops = []
    for _ in range(90):
        browser.press("Tab")
        if browser.run("document.activeElement.tagName") == "BODY":
            break
        stops.append(browser.run("document.activeElement.id || document.activeElement.tagName"))
        assert browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    ranges = browser.run("[...document.querySelectorAll('input[type=range]')].map((slider) => slider.id)")
    assert [stop for stop in stops if stop in ranges] == ranges
    assert len(ranges) > 12
    assert "zoom-1" in stops


def detail_faults(browser, path, side):
    """Pixels of the screen that are not those of the detail: `side` 0 is before, 100 after."""
    browser.open(path)
    density = browser.run("devicePixelRatio")
    stage = "document.querySelector('.detail .stage')"
    moved = f"{{ s.value = {100 - side}; s.dispatchEvent(new Event('input')) }}"
    browser.run(f"((s) => {moved})(document.querySelector('{DETAIL}'))")
    browser.run(f"document.head.append(Object.assign(document.createElement('style'), {{ textContent: '{BARE}' }}))")
    browser.run(f"{stage}.scrollIntoView()")
    x, y = browser.run(f"(({{x, y}}) => [x + scrollX, y + scrollY])({stage}.getBoundingClientRect())")
    address = browser.run(f"{stage}.querySelectorAll('img')[{side // 100}].src")
    expected = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB")).astype(int)
    height, width = expected.shape[:2]
    corner = int(x), int(y)
    size = width // density + 4, height // density + 4
    clip = dict(zip(("x", "y", "width", "height"), (corner[0] - 1, corner[1] - 1, *size), strict=True))
    shot = browser.call("Page.captureScreenshot", clip=clip | {"scale": 1}, captureBeyondViewport=True)
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")).astype(int)
    left, top = round((x - corner[0] + 1) * density), round((y - corner[1] + 1) * density)
    places = [(top + down, left + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]  # whole pixels of the screen
    parts = [found[top : top + height, left : left + width] for top, left in places]
    return min(int((part != expected).any(axis=2).sum()) for part in parts)


@pytest.mark.parametrize("side", [0, 100])
def test_details_are_shown_pixel_for_pixel(dense, path, side):
    assert dense.run("devicePixelRatio") == dense.density
    assert detail_faults(dense, path, side) == 0


def test_details_that_are_scaled_are_caught(dense, path, tmp_path):
    text = path.read_text("utf-8")
    broken = tmp_path / "page.html"
    broken.write_text(text.replace('"--dpr", window.devicePixelRatio', '"--dpr", 1'), "utf-8")  # its policy refuses it
    assert (detail_faults(dense, broken, 0) == 0) == (dense.density == 1)
    broken.write_text(text.replace("display: block; pointer", "display: block; scale: 1.01; pointer"), "utf-8")
    assert detail_faults(dense, broken, 0) != 0


def test_the_pictures_are_shown_without_the_script(browser, path, tmp_path):
    bare = tmp_path / "page.html"
    bare.write_text(re.sub(r"<script>.*?</script>", "", path.read_text("utf-8"), flags=re.S), "utf-8")
    browser.open(bare)
    assert clip_of(browser, WHOLE) == "inset(0px 0px 0px 50%)"
    assert browser.run("document.querySelector('.whole .stage').clientWidth") > 300


# How much further to one side than to the other pictures stand in their card, and details in their group; pixels.
ASIDE = """[...document.querySelectorAll(".pictures, .details")].map((group) => {
  const box = group.getBoundingClientRect();
  const parts = [...group.children].map((part) => part.getBoundingClientRect());
  const left = Math.min(...parts.map((part) => part.left)) - box.left;
  return Math.abs(left - (box.right - Math.max(...parts.map((part) => part.right))));
})"""


@pytest.mark.parametrize("width", [400, 1280, 2000])
def test_no_side_of_a_card_is_left_blank(browser, path, width):
    browser.open(path, width)
    for zoom in (1, 2, 4):
        browser.run(f"document.querySelector('#zoom-{zoom}').click()")
        assert max(browser.run(ASIDE)) <= 1
    browser.run("document.querySelectorAll('.pictures').forEach((p) => (p.style.justifyContent = 'start'))")
    assert width < 1280 or max(browser.run(ASIDE)) > 1
