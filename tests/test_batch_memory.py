"""What is predicted before the first pixel: memory against what a process really took, and that it fits."""

import subprocess
import sys

import pytest
from batch_cases import command, picture, tiny_network
from hypothesis import given
from hypothesis import strategies as st

import karat
from karat.app.batch.memory import BASE, CHILD, predict
from karat.app.batch.options import make_options
from karat.app.batch.speed import encoding_speed, network_speed
from karat.app.photos.photo import Header
from karat.app.photos.size import plan_size
from karat.refimpl.errors import BadInput

SLACK = 1.2  # of the issue: a process takes at most so much more than was predicted
NETWORK = karat.compile("zoo:quicksrnet-small-x2", threads=1)
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)
"""


def needs(width, height, channels=3, bits=8, format="JPEG", **options):
    header, options = Header("PNG", width, height, channels, bits), make_options(**options)
    target = plan_size(width, height, NETWORK.scale, options.scale, options.size)
    return predict(NETWORK, header, target, format, 8 if format == "JPEG" else bits, options)


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize(("width", "height", "suffix"), [(9, 7, "png"), (2000, 1500, "png"), (2000, 1500, "jpg")])
def test_a_process_takes_what_was_predicted(tmp_path, width, height, suffix):
    """Measured by a process that is small itself: Linux counts a parent's memory at the fork as the child's."""
    picture(tmp_path / f"a.{suffix}", 0, width, height)
    words = (tmp_path / f"a.{suffix}", "-o", tmp_path / f"b.{suffix}", "--threads", "1")
    measure = [sys.executable, "-c", MEASURE, *command(*words, "--json", tmp_path / "r.json")]
    done = subprocess.run(measure, capture_output=True, text=True, check=True)
    code, most = map(int, done.stdout.splitlines()[-1].split())
    assert code == 0
    source, target = tmp_path / f"a.{suffix}", tmp_path / f"c.{suffix}"
    predicted = karat.upscale(source, target, threads=1, dry_run=True)["images"][0]["memory"]
    assert most <= SLACK * predicted
    assert predicted <= BASE + CHILD + 3 * most  # and it is no excuse


@given(st.integers(16, 3000), st.integers(16, 3000), st.sampled_from([1, 2, 3, 4]), st.floats(0.3, 1.2))
def test_a_plan_fits_or_is_refused(width, height, channels, share):
    whole = needs(width, height, channels, format="PNG")
    limit = int(whole.most * share)
    try:
        fitting = needs(width, height, channels, format="PNG", max_memory=limit)
    except BadInput as error:
        assert "max_memory leaves" in str(error)
        assert limit < whole.most
    else:
        assert fitting.most <= limit
        assert fitting.reads <= whole.reads if limit >= whole.most else fitting.reads >= whole.reads


def test_more_pixels_bits_and_channels_need_more():
    least = needs(1000, 1000)
    assert least.most < needs(2000, 1000).most < needs(2000, 1000, size="long=7000").most
    assert needs(1000, 1000, format="PNG").most < needs(1000, 1000, 3, 16, format="PNG").most
    assert needs(3000, 2000, format="JPEG").encode < needs(3000, 2000, format="AVIF").encode


def test_times_are_measured(tmp_path):
    assert network_speed(NETWORK) > 1e6
    assert network_speed(karat.compile(tiny_network(tmp_path), threads=1)) > 0
    for format_ in ("JPEG", "PNG", "TIFF", "RAW"):
        assert encoding_speed(format_, make_options()) > 1e3
