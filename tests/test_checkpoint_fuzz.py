"""Thousands of damaged checkpoints: each gives arrays or one BadInput; none crashes, hangs or raises anything else."""

import os
import random
import select
import struct
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from checkpoint_bytes import as_legacy, as_zip, tensor, text, weights
from safetensors.numpy import save

CASES = 5_000
SECONDS_PER_CASE = 10

# The child reads length-prefixed files from stdin and answers one line each; it imports the reader once.
CHILD = """
import os, resource, struct, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from karat.refimpl.checkpoint import read_checkpoint
from karat.refimpl.errors import BadInput
{mutant}
path = sys.argv[1]
while head := sys.stdin.buffer.read(8):
    with open(path, "wb") as file:
        file.write(sys.stdin.buffer.read(struct.unpack("<Q", head)[0]))
    try:
        answer = f"arrays {{len(read_checkpoint(path))}}"
    except BadInput as error:
        one_line = str(error).isprintable() and len(str(error)) < 400
        answer = "refused" if one_line else f"not one sentence: {{str(error)!r}}"
    except BaseException as error:
        answer = f"raised {{type(error).__name__}}: {{str(error)!r}}"
    print(answer, flush=True)
"""


class Reader:
    """A warm child process that reads checkpoints, started again when it dies."""

    def __init__(self, folder, mutant="", seconds=SECONDS_PER_CASE):
        self._command = [sys.executable, "-c", CHILD.format(mutant=mutant), str(folder / "case")]
        self._seconds, self._folder = seconds, folder
        self.starts = 0
        self._start()

    def _start(self):
        self.starts += 1
        self._child = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self._folder,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def answer(self, content):
        """What the child says of a file: "arrays N", "refused", or what went wrong."""
        self._child.stdin.write(struct.pack("<Q", len(content)) + content)
        self._child.stdin.flush()
        ready, _, _ = select.select([self._child.stdout], [], [], self._seconds)
        line = self._child.stdout.readline().decode().strip() if ready else ""
        if line:
            return line
        self.close()
        status = self._child.returncode
        self._start()
        return f"died with status {status}" if ready else f"hung for {self._seconds} s"

    def close(self):
        if self._child.poll() is None and not self._child.stdout.closed:
            self._child.kill()
        self._child.communicate()


@pytest.fixture
def reader(tmp_path):
    with closing(Reader(tmp_path)) as child:
        yield child


PICKLE = weights(
    tensor(), b"ccollections\nOrderedDict\n)R" + b"}" + text("version") + b"K\x01sb", tensor((2, 2), (1, 2))
)
SEEDS = {
    "zip": as_zip(PICKLE),
    "legacy": as_legacy(PICKLE),
    "safetensors": save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3)}, {"license": "MIT"}),
    "pickle": PICKLE,  # damaged first and then zipped, so that no checksum stands before the pickle machine
}


def mutate(content, rng):
    """A few flips, cuts, splices and repeats."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        at = rng.randrange(len(content) + 1)
        match rng.choice(["flip", "flip", "byte", "byte", "number", "cut", "delete", "repeat", "splice"]):
            case "flip" if at < len(content):
                content[at] ^= 1 << rng.randrange(8)
            case "byte" if at < len(content):
                content[at] = rng.randrange(256)
            case "number":  # lengths and counts are where the danger is
                width, value = rng.choice([("<I", 2**31), ("<I", 2**32 - 1), ("<Q", 2**40), ("<q", -1), ("<H", 65535)])
                content[at : at + struct.calcsize(width)] = struct.pack(width, value)
            case "cut":
                del content[at:]
            case "delete":
                del content[start:end]
            case "repeat":
                content[at:at] = content[start:end] * rng.choice([1, 2, 50])
            case "splice":
                other = SEEDS[rng.choice(sorted(SEEDS))]
                content[start:end] = other[rng.randrange(len(other)) :][: rng.randrange(64)]
    return bytes(content)


def case(seed):
    """A damaged file, the same for the same seed everywhere."""
    rng = random.Random(seed)
    kind = rng.choice(sorted(SEEDS))
    content = mutate(SEEDS[kind], rng)
    return as_zip(content) if kind == "pickle" else content


def test_damaged_files_give_arrays_or_one_sentence(reader):
    answers = {seed: reader.answer(case(seed)) for seed in range(CASES)}
    wrong = {seed: text for seed, text in answers.items() if not text.startswith(("arrays", "refused"))}
    assert not wrong, f"{len(wrong)} of {CASES} cases, such as {list(wrong.items())[:5]}"
    assert reader.starts == 1
    taken = sum(text.startswith("arrays") for text in answers.values())
    assert CASES / 50 < taken < CASES / 2, f"{taken} of {CASES} were read: the damage is too weak or too strong"


def test_whole_files_are_read_by_the_child(reader):
    files = [content for kind, content in SEEDS.items() if kind != "pickle"]
    assert [reader.answer(content) for content in files] == ["arrays 2"] * 3


@pytest.mark.parametrize(
    ("mutant", "answer"),
    [
        ("def read_checkpoint(path): os.kill(os.getpid(), 11)", "died with status -11"),
        ("def read_checkpoint(path): os._exit(0)", "died with status 0"),
        ("def read_checkpoint(path): import time; time.sleep(60)", "hung for 1 s"),
        ("def read_checkpoint(path): [][0]", "raised IndexError: 'list index out of range'"),
        ("def read_checkpoint(path): bytes(3 << 30)", "raised MemoryError: ''"),
        ("def read_checkpoint(path): raise BadInput('two' + chr(10) + 'lines')", r"not one sentence: 'two\nlines'"),
    ],
)
def test_the_harness_catches_a_bad_reader_and_goes_on(tmp_path, mutant, answer):
    with closing(Reader(tmp_path, mutant, seconds=1 if "sleep" in mutant else SECONDS_PER_CASE)) as child:
        assert [child.answer(SEEDS["zip"]) for _ in range(2)] == [answer] * 2
