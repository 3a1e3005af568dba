"""docs/executor.md lists every operator that is executed, and every one that is not."""

import re
from pathlib import Path

import pytest

from karat.convert.mil.ops import OPERATORS

TEXT = (Path(__file__).parents[1] / "docs/executor.md").read_text()
INTERNAL = {"const", "_const_symbolic"}


def listed(start, end):
    """Names in backticks between two words of the page."""
    part = TEXT[TEXT.index(start) : TEXT.index(end)]
    return set(re.findall(r"`([a-z0-9_]+)`", part))


def test_every_operator_is_listed():
    assert listed("| elementwise |", "Not executed") - {"coreml_update_state"} == set(OPERATORS)


def test_what_coremltools_knows_and_karat_does_not_is_listed():
    pytest.importorskip("coremltools")
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    absent = set(SSAOpRegistry.core_ops) - set(OPERATORS) - INTERNAL
    assert listed("Not executed", "What an operator means") == absent
