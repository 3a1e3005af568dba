"""Hypothesis profiles, the real data, and coremltools' import noise; the network and the job of tests/test_batch_*."""

import os
import warnings
from pathlib import Path

import pytest
from batch_cases import picture, tiny_network
from hypothesis import HealthCheck, settings

import karat

common = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("few", max_examples=3, **common)  # of tests that are run again elsewhere
settings.register_profile("dev", max_examples=20, **common)
settings.register_profile("ci", max_examples=100, **common)
settings.register_profile("nightly", max_examples=2000, **common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

with warnings.catch_warnings():  # coremltools warns about torch versions and missing Mac frameworks when imported
    warnings.simplefilter("ignore")
    import coremltools  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("KARAT_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data():
    """The folder of real images, weights and packages."""
    if not DATA.is_dir():
        pytest.skip(f"no real data: set KARAT_DATA or put it at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The file of a network that takes no time."""
    return tiny_network(tmp_path_factory.mktemp("network"))


@pytest.fixture
def job(tmp_path, tiny):
    """A folder with pictures, and ``upscale(src, dst, ...)`` on the tiny network, on one thread."""
    for i in range(4):
        picture(tmp_path / f"in/p{i}.png", i, 5 + i, 6)
    picture(tmp_path / "in/sub/q.png", 9)

    def upscale(src=tmp_path / "in", dst=tmp_path / "out", **options):
        return karat.upscale(src, dst, tiny, **{"threads": 1, "overwrite": False} | options)

    return upscale
