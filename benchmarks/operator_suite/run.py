"""coremltools' own operator tests, predicted by karat: how many pass, and which cannot.

``python benchmarks/operator_suite/run.py [--share 0/10] [--of mil|torch|swinir] [--json FILE]``

The tests lie in the wheel of coremltools 9.0. A test counts when it reaches a prediction and its program holds no
recurrent, random, list or control-flow operator; those are listed beside it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

EXCLUDED = {
    "recurrent": {"gru", "lstm", "rnn"},
    "random": {"random_bernoulli", "random_categorical", "random_normal", "random_uniform"},
    "list": {"make_list", "list_length", "list_write", "list_read", "list_gather", "list_scatter"},
    "control flow": {"cond", "while_loop"},
}
SWINIR = (
    "TestLinear TestMatMul TestLayerNorm TestGeLU TestSoftmax TestReshape TestTranspose TestSliceByIndex TestGather "
)
SWINIR += "TestPixelShuffle TestPad TestUpsampleNearest TestLeakyReLU TestElementwiseBinary TestCast TestConv"
OF = {
    "mil": (["mil/ops/tests"], ""),
    "torch": (["frontend/torch/test/test_torch_ops.py"], ""),
    "swinir": (["mil/ops/tests"], " or ".join(SWINIR.split())),
}


def run(of, share, path):
    """Run the tests; pytest's own words go to the terminal."""
    import coremltools

    root = Path(coremltools.__file__).parent / "converters/mil"
    paths, words = OF[of]
    here = str(Path(__file__).resolve().parent)
    settings = {"PYTHONPATH": here, "OPERATOR_SUITE": f"{share}:{path}", "PYMIL_TEST_TARGETS": "mlprogram"}
    settings |= {"INCLUDE_MIL_FP32_UNIT_TESTS": "1", "TORCH_FRONTENDS": "TORCHSCRIPT", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "plugin", "-p", "no:cacheprovider", "-q", "-W", "ignore"]
    command += ["--no-header", "--tb=no", *(str(root / part) for part in paths), *(["-k", words] if words else [])]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, cwd=folder, env={**os.environ, **settings}, check=False)


def family(operators):
    """Why a program does not count, or ""."""
    return next((name for name, kinds in EXCLUDED.items() if kinds & set(operators)), "")


def summary(tests):
    """(counts of what counts, counts of what does not, the reasons of what failed)."""
    counted, excluded, reasons = Counter(), Counter(), []
    for name, test in tests.items():
        if not test["predicted"]:
            excluded[f"{test['outcome']}, no prediction"] += 1
        elif kind := family(test["operators"]):
            excluded[kind] += 1
        elif test["outcome"] == "expected to fail":
            excluded["expected to fail by coremltools"] += 1
        else:
            failed = "unsupported" if test["reason"].startswith("Unsupported") else test["outcome"]
            counted[failed] += 1
            if failed not in ("passed", "skipped"):
                reasons.append(f"{name.rsplit('/', 1)[-1]}: {test['reason']}")
    return counted, excluded, reasons


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", default="0/10", help="R/M: tests whose name's hash gives R modulo M")
    parser.add_argument("--of", choices=OF, default="mil")
    parser.add_argument("--json", type=Path, help="keep what is known of every test here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "figures.json"
        run(asked.of, asked.share, path)
        content = path.read_text()
    if asked.json:
        asked.json.write_text(content)
    counted, excluded, reasons = summary(json.loads(content)["tests"])
    for line in reasons:
        print(line)
    counted.pop("skipped", None)
    total = sum(counted.values())
    print(f"counted {total}: {dict(counted)}, {counted['passed'] / max(1, total):.2%} passed")
    print(f"not counted {sum(excluded.values())}: {dict(excluded)}")
