"""A safe reader of trained weights, without torch: torch zip files, torch's legacy stream, safetensors, plain arrays.

A checkpoint comes from a stranger, and a pickle is a program. So nothing here unpickles: a small machine
(`pickle_machine`) interprets an allow-listed subset of the opcodes, and calls nothing but the functions in `rebuild`.
"""

from .finite import check_finite
from .read import read_checkpoint
from .write import write_safetensors

__all__ = ["check_finite", "read_checkpoint", "write_safetensors"]
