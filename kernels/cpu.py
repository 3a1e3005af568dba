"""Which vector instructions the kernels may use, asked of the compiler that will emit them."""

from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm
from numba.core.registry import cpu_target

PROBE = """target triple = "{triple}"
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
define void @probe(<16 x float>* %p) {{
  %x = load <16 x float>, <16 x float>* %p
  %y = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %x)
  store <16 x float> %y, <16 x float>* %p
  ret void
}}
"""


@dataclass(frozen=True)
class Target:
    """What the kernels are compiled for.

    Attributes
    ----------
    name : {"avx512", "avx2", "portable"}
    bf16 : bool
        Whether the processor multiplies pairs of bfloat16.
    processor : str
        As the compiler calls it.
    key : str
        Triple, processor and features: compiled code of another key must not be used.
    """

    name: str
    bf16: bool
    processor: str
    key: str

    @property
    def rows(self) -> int:
        """Rows of a matrix product's tile."""
        return 4 if self.name == "avx512" else 6

    @property
    def vectors(self) -> int:
        """Vectors of 16 that a matrix product's tile is wide.

        With AVX-512's 32 registers 4 x 4 is 2 % faster than 6 x 4; with 16 of half the width only 6 x 1 fits.
        """
        return 4 if self.name == "avx512" else 1

    @property
    def fma(self) -> bool:
        """Whether a fused multiply-add is one instruction; where it is not, the C library would be called for it."""
        return self.name != "portable"

    @property
    def line(self) -> str:
        """One sentence for people."""
        if self.name == "portable":
            return f"portable kernels: no AVX2 or AVX-512 on this processor ({self.processor})"
        pairs = " with bfloat16 dot products" if self.bf16 else ""
        return f"{'AVX-512' if self.name == 'avx512' else 'AVX2'} kernels{pairs} ({self.processor})"


@cache
def target() -> Target:
    """The target of this process; ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` choose another one.

    Examples
    --------
    >>> target().name in ("avx512", "avx2", "portable")
    True
    """
    codegen = cpu_target.target_context.codegen()  # pyright: ignore
    triple, processor, features = codegen.magic_tuple()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, features=features, opt=2)
    assembly = machine.emit_assembly(llvm.parse_assembly(PROBE.format(triple=triple)))
    registers = "zmm" if "zmm" in assembly else "ymm" if "ymm" in assembly and "vfmadd" in assembly else ""
    name = {"zmm": "avx512", "ymm": "avx2", "": "portable"}[registers]
    return Target(name, name == "avx512" and "+avx512bf16" in features, processor, f"{triple} {processor} {features}")
