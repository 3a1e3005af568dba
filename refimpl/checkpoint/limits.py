"""How much an untrusted checkpoint may ask for, in one place."""

MIB = 1 << 20

MAX_FILE_BYTES = 4096 * MIB  # also the limit of all arrays together
MAX_REPEAT = 16  # arrays may share storages, but not unfold a file into more than this many times its size ...
FREE_BYTES = 16 * MIB  # ... beyond an allowance for tiny files

MAX_PICKLE_BYTES = 64 * MIB
MAX_OPCODES = 1_000_000  # a tensor costs about 40: this is some 25,000 tensors
MAX_STACK = 100_000
MAX_MARKS = 1_000
MAX_MEMO = 1_000_000
MAX_STRING = MIB

MAX_DIMENSIONS = 32
