"""The same properties on processors that this one can play, and what an arm64 one would be given."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROCESSORS = {"avx2": "haswell", "portable": "x86-64"}
PROPERTIES = ["test_kernels_swin.py", "test_kernels_conv.py", "test_kernels_map.py", "test_kernels_pointwise.py"]
PROPERTIES += ["test_compile.py::test_published_networks"]
PROPERTIES += [f"test_prune_kernels.py::test_{what}_caught" for what in ("a_wrong_network_is", "other_bits_are")]
COMPILE = r"""
import json, re, sys
import llvmlite.binding as llvm
from numba import njit
from karat.kernels import cpu
if "fused" in sys.argv:
    cpu.Target.fma = property(lambda self: True)
from karat.kernels.cache import KERNELS
from karat.kernels.maps import direct, layer_norm, shuffle
from karat.kernels.swin import block

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
NAMES = ["layer_norm.map_norm_row"]
if "fused" not in sys.argv:
    NAMES += ["block.swin_row_float32", "direct.conv3x3_rows", "shuffle.picture2_row"]
MACHINES = {
    "aarch64-linux-gnu": ("cortex-a76", r"\tbl\t([\w.$]+)"),
    "x86_64-linux-gnu": ("x86-64", r"\tcallq?\t([\w.$]+)"),
}
found = {}
for triple, (processor, call) in MACHINES.items():
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=2, codemodel="small")
    found[triple] = {"calls": [], "fmla": 0}
    for name in NAMES:
        fresh = njit(nogil=True, boundscheck=False, error_model="numpy")(KERNELS[name].compiled.py_func)
        fresh.compile(KERNELS[name].signature)
        (text,) = fresh.inspect_llvm().values()
        text = re.sub(r'target (triple|datalayout) = ".*"|"target-(cpu|features)"="[^"]*"', "", text)
        module = llvm.parse_assembly(text)
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        assembly = machine.emit_assembly(module)
        own = {f.name for f in module.functions if not f.is_declaration}
        found[triple]["calls"] += sorted(set(re.findall(call, assembly)) - own)
        found[triple]["fmla"] += assembly.count("\tfmla\t")
json.dump(found, sys.stdout)
"""


def played(processor, *command):
    """A fresh interpreter whose compiler believes in another processor."""
    environment = os.environ | {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "HYPOTHESIS_PROFILE": "few"}
    done = subprocess.run(
        [sys.executable, *command], cwd=TESTS.parent, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_properties_hold_on_other_processors(name):
    asked = "from karat.kernels.cpu import target; t = target(); print(t.name, t.bf16, t.line)"
    assert played(PROCESSORS[name], "-c", asked).startswith(f"{name} False {'AVX2' if name == 'avx2' else 'portable'}")
    tests = [str(TESTS / test) for test in PROPERTIES]
    said = played(PROCESSORS[name], "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not chance", *tests)
    assert " passed" in said
    assert "skipped" not in said


def library_calls(*options):
    """What the portable kernels, compiled for arm64 and for any x86-64, call outside: {triple: {calls, fmla}}."""
    found = json.loads(played("x86-64", "-c", COMPILE, *options))
    for machine in found.values():  # numba's wrapper for Python is no part of a kernel
        machine["calls"] = {name for name in machine["calls"] if not name.startswith(("Py", "_Py", "NRT_", "numba"))}
    return found


def test_portable_kernels_call_no_library():
    """A call of fmaf for every product would take a hundred times as long; arm64 fuses products and sums itself."""
    found = library_calls()
    assert not any(machine["calls"] for machine in found.values())
    assert found["aarch64-linux-gnu"]["fmla"] > 100
    assert "fmaf" in library_calls("fused")["x86_64-linux-gnu"]["calls"], "else this test could not fail"
