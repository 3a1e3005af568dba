"""Emits vector code: numba functions whose bodies are LLVM instructions over vectors of 16 floats.

Loops that numba compiles from Python reach 25 % of the processor's peak on matrix products; these reach 95 %.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .. import cpu

LANES = 16
VECTOR_BYTES = 64
F32, I16, I32, I64 = ir.FloatType(), ir.IntType(16), ir.IntType(32), ir.IntType(64)
VECTOR, INTEGERS, PAIRS = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES), ir.VectorType(I16, 2 * LANES)


class _BFloat(ir.Type):
    """bfloat16, which llvmlite has no name for."""

    def _to_string(self):
        return "bfloat"

    def __eq__(self, other):
        return isinstance(other, _BFloat)

    def __hash__(self):
        return hash("bfloat")


BFLOATS = ir.VectorType(_BFloat(), LANES), ir.VectorType(_BFloat(), 2 * LANES)


class Emitter:
    """Writes instructions at the builder's place. Addresses and sizes are 64-bit integers, offsets are in bytes."""

    def __init__(self, builder):
        self.builder = builder
        self.target = cpu.target()

    def call(self, name, result, *arguments):
        """Call an LLVM intrinsic."""
        kind = ir.FunctionType(result, [value.type for value in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)

    # integers

    def integer(self, value):
        return ir.Constant(I64, value) if isinstance(value, int) else value

    def at(self, address, *offsets):
        """The sum of an address and offsets, each an integer or a tuple of factors."""
        address = self.integer(address)
        for offset in offsets:
            if isinstance(offset, tuple):
                offset = functools.reduce(self.builder.mul, map(self.integer, offset))
            if not (isinstance(offset, int) and offset == 0):
                address = self.builder.add(address, self.integer(offset))
        return address

    def equal(self, a, b):
        """1 or 0."""
        return self.builder.zext(self.builder.icmp_signed("==", a, self.integer(b)), I64)

    def select(self, condition, yes, no):
        """``yes`` where the integer is not zero, else ``no``."""
        return self.builder.select(self._true(condition), self.integer(yes), self.integer(no))

    def least(self, a, b):
        """The smaller integer."""
        a, b = self.integer(a), self.integer(b)
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def _true(self, condition):
        return self.builder.icmp_signed("!=", condition, self.integer(0))

    # memory

    def load(self, address, offset=0, kind: Any = VECTOR, align=4):
        loaded = self.builder.load(self._pointer(address, offset, kind))
        loaded.align = align  # type: ignore
        return loaded

    def store(self, value, address, offset=0, align=4):
        self.builder.store(value, self._pointer(address, offset, value.type)).align = align  # type: ignore

    def _pointer(self, address, offset, kind):
        return self.builder.inttoptr(self.at(address, offset), kind.as_pointer())

    def broadcast(self, address, offset=0):
        """A vector of one float of memory."""
        return self.splat(self.load(address, offset, F32))

    def splat(self, value):
        kind = ir.VectorType(value.type, LANES)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(INTEGERS, [0] * LANES))

    def shuffle(self, first, second, lanes: Sequence[int]):
        """Lanes of two vectors, counted through both."""
        return self.builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))

    # floats

    def constant(self, value):
        return ir.Constant(VECTOR, [float(np.float32(value))] * LANES)

    def add(self, a, b):
        return self.builder.fadd(a, b)

    def sub(self, a, b):
        return self.builder.fsub(a, b)

    def mul(self, a, b):
        return self.builder.fmul(a, b)

    def fma(self, a, b, c):
        """a b + c."""
        if self.target.fma:
            return self.call("llvm.fma.v16f32", VECTOR, a, b, c)
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(product, c, flags=("contract",))

    def minimum(self, a, b):
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def maximum(self, a, b):
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def sqrt(self, a):
        return self.call("llvm.sqrt.v16f32", VECTOR, a)

    def polynomial(self, x, coefficients):
        """By Horner's rule; the constant term first."""
        y = self.constant(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            y = self.fma(y, x, self.constant(coefficient))
        return y

    # bfloat16

    def dot_pairs(self, accumulator, a, b):
        """Add, per lane, the products of two pairs of bfloat16."""
        a, b = (self.builder.bitcast(value, BFLOATS[1]) for value in (a, b))
        return self.call("llvm.x86.avx512bf16.dpbf16ps.512", VECTOR, accumulator, a, b)

    def pairs(self, low, high):
        """Two vectors rounded to bfloat16, lane by lane beside each other: 32 of them."""
        both = self.call("llvm.x86.avx512bf16.cvtne2ps2bf16.512", BFLOATS[1], high, low)
        mixed = self.shuffle(both, both, [lane for i in range(LANES) for lane in (i, LANES + i)])
        return self.builder.bitcast(mixed, PAIRS)

    def bfloats(self, value):
        """A vector rounded to 16 bfloat16."""
        rounded = self.call("llvm.x86.avx512bf16.cvtneps2bf16.512", BFLOATS[0], value)
        return self.builder.bitcast(rounded, ir.VectorType(I16, LANES))

    # control

    def loop(self, count, carried: Sequence, body: Callable):
        """``carried = body(k, carried)`` for k in range(count), count > 0; returns the last ones."""
        builder, count = self.builder, self.integer(count)
        before = builder.block
        head, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(I64)
        phis = [builder.phi(value.type) for value in carried]
        results = list(body(k, list(phis)))
        following = builder.add(k, ir.Constant(I64, 1))
        for phi, start, result in zip([k, *phis], [ir.Constant(I64, 0), *carried], [following, *results], strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(result, builder.block)
        again = builder.cbranch(builder.icmp_signed("<", following, count), head, done)
        again.set_metadata("llvm.loop", self._not_unrolled())
        builder.position_at_end(done)
        return results

    def procedure(self, name: str, emit: Callable, *values):
        """Call a function whose body ``emit(emitter, *values)`` writes where the module has none of that name.

        What is not inlined has all registers for itself: in one large body LLVM keeps constants of one loop in
        registers through another, and spills the tile.
        """
        module = self.builder.module
        if name not in module.globals:
            function = ir.Function(module, ir.FunctionType(ir.VoidType(), [I64] * len(values)), name)
            function.linkage = "internal"
            function.attributes.add("noinline")
            builder = ir.IRBuilder(function.append_basic_block("entry"))
            emit(Emitter(builder), *function.args)
            builder.ret_void()
        self.builder.call(module.globals[name], [self.integer(value) for value in values])

    def when(self, condition, body: Callable[[], None]):
        """Run ``body`` only when the integer is not zero."""
        with self.builder.if_then(self._true(condition)):
            body()

    def choose(self, condition, yes: Callable[[], None], no: Callable[[], None]):
        """Run ``yes`` when the integer is not zero, else ``no``."""
        with self.builder.if_else(self._true(condition)) as (then, otherwise):
            with then:
                yes()
            with otherwise:
                no()

    def _not_unrolled(self):
        """Metadata of a loop that LLVM must leave alone: unrolled, a tile needs more registers than there are."""
        module = self.builder.module
        number = ir.MetaDataString(module, str(len(module.metadata)))  # equal nodes would be one
        node = module.add_metadata([number])
        disable = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
        node.operands = (node, disable)  # the first operand of a loop's node is the node itself
        return node


class Record:
    """Integers under names, so that a kernel needs one address instead of thirty.

    Parameters
    ----------
    names : str
        Separated by blanks.
    """

    def __init__(self, names: str):
        self.names = names.split()

    def pack(self, **values) -> np.ndarray:
        """The integers in their order; whoever passes their address keeps the array."""
        if set(values) != set(self.names):
            raise ValueError(f"not the record's names: {sorted(set(values) ^ set(self.names))}")
        return np.array([values[name] for name in self.names], np.int64)

    def read(self, e: Emitter, address) -> SimpleNamespace:
        """All of them in registers."""
        return SimpleNamespace(**{name: e.load(address, 8 * i, I64, 8) for i, name in enumerate(self.names)})


def emitted(emit) -> Any:
    """Decorator: a numba function over integers whose body ``emit(emitter, *values)`` writes."""
    first, *rest = inspect.signature(emit).parameters.values()

    def typed(typing_context, *given):
        def generate(context, builder, signature, values):
            emit(Emitter(builder), *values)
            return context.get_dummy_value()

        return types.void(*given), generate

    functools.update_wrapper(typed, emit)
    typed.__signature__ = inspect.Signature([first, *rest])  # numba binds arguments by it
    return intrinsic(typed)


def _word(typing_context, address):
    """The 64-bit integer at an address, for numba."""

    def generate(context, builder, signature, values):
        return builder.load(builder.inttoptr(values[0], I64.as_pointer()))

    return types.int64(address), generate


word: Any = intrinsic(_word)
