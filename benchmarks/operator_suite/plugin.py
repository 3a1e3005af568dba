"""A pytest plugin that lets coremltools' own operator tests predict with karat, wherever they run.

Off macOS those tests convert and compare nothing. Here `MLModel.predict` becomes karat's executor, and the switches
that skip the comparison say macOS 15. Their tolerance for FP16 (an absolute 0.5) is replaced by `HALF`.

Set ``OPERATOR_SUITE=SHARE/OF:FILE``: the share of the tests that runs, chosen by a hash of their names, and where the
figures go.
"""

import contextlib
import json
import os
import tempfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import coremltools
import numpy as np
import pytest
from coremltools import converters
from coremltools.converters.mil import testing_reqs, testing_utils
from coremltools.models import model, utils

from karat.convert import mil

HALF = 2e-3  # absolute and relative, where a program holds FP16
MACOS = 15
FLOAT16 = 10  # in MIL's DataType
ARRAYS = {65552: "float16", 65568: "float32", 65600: "float64", 131080: "int8", 131104: "int32"}
share, figures_path = os.environ["OPERATOR_SUITE"].split(":", 1)
real_allclose = np.testing.assert_allclose


@dataclass
class Figures:
    """What is known of one test."""

    predicted: int = 0
    outcome: str = "not run"
    reason: str = ""
    operators: list = field(default_factory=list)


figures: dict[str, Figures] = {}
current = {"test": Figures(), "half": False}


def predict(self, data, state=None):
    """In place of `MLModel.predict`."""
    if self._spec.WhichOneof("Type") != "mlProgram":
        pytest.skip("a neuralnetwork, which karat refuses")
    current["test"].predicted += 1  # before it is tried: what cannot be opened has failed
    blocks = [b for f in self._spec.mlProgram.functions.values() for b in f.block_specializations.values()]
    operations = [o for block in blocks for o in block.operations]
    current["test"].operators = sorted({o.type for o in operations} | set(current["test"].operators))
    current["half"] = any(out.type.tensorType.dataType == FLOAT16 for o in operations for out in o.outputs)
    several = data if isinstance(data, list) else [data]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.mlpackage"
        self.save(str(path))
        results = [mil.predict(path, _typed(self, each), state=state) for each in several]
    results = [{name: _shown(value) for name, value in each.items()} for each in results]
    return results if isinstance(data, list) else results[0]


def _typed(self, inputs):
    """Arrays in the types of the interface, as Core ML converts them."""
    types = {d.name: ARRAYS.get(d.type.multiArrayType.dataType) for d in self._spec.description.input}
    return {k: v.astype(types[k]) if isinstance(v, np.ndarray) and types.get(k) else v for k, v in inputs.items()}


def _shown(value):
    """As Core ML gives it back: no scalars, and numbers for truth values."""
    value = np.atleast_1d(value) if isinstance(value, np.ndarray | np.generic) else value
    return value.astype(np.int32) if isinstance(value, np.ndarray) and value.dtype.kind == "b" else value


class State(dict):
    """What `MLModel.make_state` gives."""

    read_state = dict.__getitem__
    write_state = dict.__setitem__


def make_state(self):
    """Zeros, as Core ML begins."""
    arrays = {d.name: d.type.stateType.arrayType for d in self._spec.description.state}
    return State({name: np.zeros(tuple(array.shape), np.float16) for name, array in arrays.items()})


def assert_allclose(actual, desired, rtol=1e-7, atol=0, **options):
    """NumPy's, held to `HALF` where a program holds FP16."""
    wide = current["half"] and current["test"].predicted
    return real_allclose(actual, desired, HALF if wide else rtol, HALF if wide else atol, **options)


def reachable(target):
    """In place of the question which macOS a deployment target needs."""
    return testing_utils.IOS_TO_MINIMUM_MACOS_VERSION.get(target, MACOS + 1) <= MACOS


def switch(module):
    """Let a module compare: each has copies of the switches."""
    for name, value in {"_IS_MACOS": True, "macos_compatible_with_deployment_target": reachable}.items():
        if hasattr(module, name):
            setattr(module, name, value)


def pytest_configure(config):
    """Before the tests are imported."""
    utils._is_macos, utils._macos_version = (lambda: False), (lambda: (MACOS, 0))
    model.MLModel.predict, model.MLModel.make_state = predict, make_state
    np.testing.assert_allclose = assert_allclose
    switch(testing_utils)
    switch(testing_reqs)
    with contextlib.suppress(ImportError):
        from coremltools.converters.mil.frontend.torch.test import testing_utils as torch_testing

        switch(torch_testing)


def pytest_collection_modifyitems(items):
    """The share of the tests that was asked for."""
    for module in {item.module for item in items}:
        switch(module)
    number, count = map(int, share.split("/"))
    place = len(str(Path(converters.__file__).parent))
    items[:] = [i for i in items if zlib.crc32(f"{i.path}{i.name}"[place:].encode()) % count == number]


def pytest_runtest_setup(item):
    """A new test."""
    current["test"], current["half"] = figures.setdefault(item.nodeid, Figures()), False


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What became of it."""
    report = (yield).get_result()
    if report.when == "call" or report.outcome != "passed":
        test = figures.setdefault(item.nodeid, Figures())
        test.outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        if call.excinfo is not None:
            test.reason = f"{call.excinfo.type.__name__}: {call.excinfo.value}"[:300]


def pytest_sessionfinish():
    """Write the figures."""
    found = {name: asdict(test) for name, test in figures.items()}
    Path(figures_path).write_text(json.dumps({"coremltools": coremltools.__version__, "tests": found}))
