"""Convolution kernels on processors without AVX-512: other tiles, the same results within the same bound."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
from karat.kernels import cpu
from test_conv_net import check, picture
from test_winograd import Case
from networks import random_model
from karat.refimpl.models import quicksrnet

assert cpu.target().name == sys.argv[1], cpu.target()
for config in (quicksrnet.Config(13, 2, 2), quicksrnet.Config(5, 1, 3, 2, True)):
    model = random_model(config, 0, np.float64)
    x = picture(model, 0, (22, 70))
    np.testing.assert_array_equal(check(model, x, 2), check(model, x, 1))
case = Case(13, 11, 3, 18, 0)
case.run(True, 0.125, 2)
assert case.excess(True, 0.125) <= 1 and case.maps.intact()
"""


@pytest.mark.parametrize(("processor", "name"), [("haswell", "avx2"), ("x86-64", "portable")])
def test_narrower_vectors(processor, name, tmp_path):
    tests = str(Path(__file__).parent)
    paths = [tests, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "KARAT_CACHE": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
