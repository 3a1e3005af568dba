"""The pytest plugin: a fixture ``assert_faithful``, and ``--karat-update`` for its baselines."""

from functools import partial

import pytest


def pytest_addoption(parser):
    """Add --karat-update."""
    group = parser.getgroup("karat")
    group.addoption("--karat-update", action="store_true", help="write the baselines of assert_faithful anew")


@pytest.fixture
def assert_faithful(pytestconfig):
    """`karat.assert_faithful`, which writes its baseline when pytest was started with --karat-update."""
    from .testing import assert_faithful as check

    return partial(check, update=True) if pytestconfig.getoption("--karat-update") else check
