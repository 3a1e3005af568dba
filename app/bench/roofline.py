"""The roof: how many floating-point operations a second one thread can do at most, measured and not looked up.

A loop of independent fused multiply-adds that never leaves the registers is emitted as LLVM IR. Several shapes are
timed, because no single one suits every processor (20 accumulators of 16 lanes spill where there are 16 registers of
8), and the best counts.

S. Williams, A. Waterman, D. Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures",
CACM 52(4), 2009. doi:10.1145/1498765.1498785
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

SHAPES = ((20, 16), (12, 8), (24, 8), (24, 4))  # accumulators, lanes
SECONDS = 0.03  # of one measurement
REPEAT = 7
ONES = 0x3F803F80  # 1.002 as float32, 1.0 twice as bfloat16: zeros could need less power, and run faster

_LOOP = """
declare {vector} @{operation}({types})

define void @loop(i64 %count, ptr %place) {{
entry:
  %x = load {operand}, ptr %place
  %zero = insertelement {vector} zeroinitializer, float 0.0, i32 0
  br label %turn
turn:
  %i = phi i64 [ 0, %entry ], [ %next, %turn ]
{phis}
{steps}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %count
  br i1 %more, label %turn, label %done
done:
{sums}
  %away = getelementptr float, ptr %place, i64 16
  store {vector} %sum{last}, ptr %away
  ret void
}}
"""


@dataclass(frozen=True)
class Peak:
    """A loop that does nothing but multiply and add.

    Attributes
    ----------
    run : callable
        Runs it once, for about SECONDS.
    flops : int
        Operations of a run.
    speed : float
        GFLOP/s, the best of some runs.
    """

    run: Callable[[], object]
    flops: int
    speed: float


def peak_loops():
    """The fastest loop of one thread, by precision.

    Returns
    -------
    dict of str to Peak
        ``"float32"``, and ``"bfloat16"`` where the processor has dot products of it.
    """
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    shapes = [_measure(_fma_loop(*shape), shape[0] * shape[1] * 2) for shape in SHAPES]
    peaks = {"float32": max(shapes, key=lambda peak: peak.speed)}
    if features.get("avx512bf16"):
        peaks["bfloat16"] = _measure(_dot_loop(20), 20 * 32 * 2)  # a lane takes two products
    return peaks


def _fma_loop(accumulators, lanes):
    vector = f"<{lanes} x float>"
    return _loop(accumulators, vector, vector, f"llvm.fma.v{lanes}f32", ("%x", "%x", "%a{i}"))


def _dot_loop(accumulators):
    operation = "llvm.x86.avx512bf16.dpbf16ps.512"
    return _loop(accumulators, "<16 x float>", "<32 x bfloat>", operation, ("%a{i}", "%x", "%x"))


def _loop(accumulators, vector, operand, operation, arguments):
    """IR of: every accumulator gets ``count`` squares of what lies at ``place``; their sum is stored behind it."""
    numbers = range(accumulators)
    phis = [f"  %a{i} = phi {vector} [ %zero, %entry ], [ %b{i}, %turn ]" for i in numbers]
    types = [vector if name.startswith("%a") else operand for name in arguments]
    call = ", ".join(f"{type} {name}" for type, name in zip(types, arguments, strict=True))
    steps = [f"  %b{i} = call {vector} @{operation}({call.format(i=i)})" for i in numbers]
    sums = [f"  %sum{i} = fadd {vector} {f'%sum{i - 1}' if i else '%zero'}, %b{i}" for i in numbers]
    text = {name: "\n".join(lines) for name, lines in {"phis": phis, "steps": steps, "sums": sums}.items()}
    names = {"vector": vector, "operand": operand, "operation": operation, "types": ", ".join(types)}
    return _LOOP.format(last=accumulators - 1, **names, **text)


def _measure(ir, flops_per_turn):
    """A loop that takes SECONDS, with the best speed of some runs: whatever disturbs one makes it slower."""
    place = np.full(16 + 32, ONES, np.uint32)
    start = -place.ctypes.data % 64 // 4  # aligned to 64 bytes
    engine, loop = _compiled(ir)

    def run(turns, keep=(engine, place)):  # the engine owns the code, the array the memory
        loop(turns, place[start:].ctypes.data)

    def seconds_of(turns):
        begin = time.perf_counter()
        run(turns)
        return time.perf_counter() - begin

    turns = 10_000
    while (seconds := seconds_of(turns)) < SECONDS:
        turns = int(turns * min(10, max(2, 1.2 * SECONDS / seconds)))
    best = min(seconds_of(turns) for _ in range(REPEAT))
    flops = flops_per_turn * turns
    return Peak(partial(run, turns), flops, flops / best / 1e9)


def _compiled(ir):
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3)
    module = llvm.parse_assembly(ir)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine, ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(engine.get_function_address("loop"))
