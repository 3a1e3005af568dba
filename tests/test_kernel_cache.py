"""Compiled kernels survive what happens to files: two processes, kill -9, damage, no place to write."""

import ast
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import karat.kernels
from karat.kernels import cpu
from karat.kernels.cache import KERNELS
from karat.kernels.warm import MODULES, all_kernels

FOLDER = Path(karat.kernels.__path__[0])
TWO = """
import sys
from karat.kernels.cache import ready
from karat.kernels.maps.shuffle import nearest2_row, picture1_row

def progress(name, done, total):
    print(name, done, total, flush=True)

print("compiled", ready([nearest2_row, picture1_row], progress))
"""
STEPS = ("nearest2_row 0 2", "nearest2_row 1 2", "picture1_row 2 2")
PICTURE = """
import hashlib, karat, numpy
x = numpy.random.default_rng(0).random((1, 3, 9, 11))
print(hashlib.sha256(karat.compile("zoo:swinir-small-x2", threads=1)(x).tobytes()).hexdigest())
"""


def start(program, cache):
    environment = os.environ | {"KARAT_CACHE": str(cache)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", program], env=environment, text=True, **pipes)


def finish(process):
    """(stdout, stderr) of a process that has to end well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A cache that holds two kernels."""
    cache = tmp_path_factory.mktemp("kept")
    out, _ = finish(start(TWO, cache))
    assert out.splitlines() == [*(f"shuffle.{step}" for step in STEPS), "compiled 2"]
    return cache


def test_a_second_process_compiles_nothing(kept):
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.nb?")}
    assert len(before) == 4  # index and code of each
    assert finish(start(TWO, kept)) == ("compiled 0\n", "")
    assert before == {path: path.stat().st_mtime_ns for path in kept.rglob("*.nb?")}


def shorter(content):
    return content[:-40]


def empty(content):
    return b""


def one_bit(content):
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]


@pytest.mark.parametrize(
    ("suffixes", "damage"),
    [((".nbi",), shorter), ((".nbc",), shorter), ((".nbc",), one_bit), ((".nbi", ".nbc"), empty)],
)
def test_a_damaged_file_is_compiled_again(kept, tmp_path, suffixes, damage):
    shutil.copytree(kept, tmp_path / "cache")
    damaged = [path for path in (tmp_path / "cache").rglob("*nearest2_row-*") if path.suffix in suffixes]
    assert len(damaged) == len(suffixes)
    for path in damaged:
        path.write_bytes(damage(path.read_bytes()))
    out, err = finish(start(TWO, tmp_path / "cache"))
    assert (out.splitlines()[-1], err) == ("compiled 1", "")


def test_a_damaged_callee_is_compiled_again(tmp_path):
    """numba looks for what a kernel calls in the cache by itself, and stumbles over an empty file."""
    program = "import karat; karat.compile('zoo:quicksrnet-small-x2', threads=1); print('made')"
    assert finish(start(program, tmp_path))[0] == "made\n"
    for path in [*tmp_path.rglob("*convolve_row-*"), *tmp_path.rglob("*net_rows-*")]:
        path.write_bytes(b"")
    assert finish(start(program, tmp_path))[0] == "made\n"
    assert finish(start(program, tmp_path)) == ("made\n", "")


def test_processes_that_start_together(tmp_path):
    """Both have the picture of a warm cache; one of them compiled, and each said so in one line."""
    together = [start(PICTURE, tmp_path) for _ in range(2)]
    results = [finish(process) for process in together]
    warm = finish(start(PICTURE, tmp_path))
    assert [out for out, _ in results] == [warm[0]] * 2
    assert warm[1] == ""
    assert [err.count("\n") for _, err in results] in ([1, 1], [1, 0], [0, 1])
    assert any("karat compiles" in err and str(tmp_path) in err for _, err in results)


def test_a_killed_process_leaves_what_the_next_one_completes(tmp_path):
    killed = start(TWO, tmp_path)
    assert killed.stdout.readline() == "shuffle.nearest2_row 0 2\n"
    assert killed.stdout.readline() == "shuffle.nearest2_row 1 2\n"
    killed.send_signal(signal.SIGKILL)  # in the middle of the second kernel, while it holds the lock
    killed.communicate()
    out, err = finish(start(TWO, tmp_path))
    assert (out.splitlines()[-1], err) == ("compiled 1", "")


def test_no_place_to_write(tmp_path):
    """A folder that cannot be made: one line, the same picture, and nothing is left behind."""
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    program = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'temporary')!r}\n{PICTURE}"
    out, err = finish(start(program, tmp_path / "file" / "cache"))
    assert len(out.strip()) == 64
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"karat cannot keep compiled kernels in {tmp_path / 'file' / 'cache'} (Not a directory)")
    assert "karat compiles" in lines[1]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_every_kernel_is_warmed():
    """Read from the sources, so that a new file is not forgotten."""
    defined = set()
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            marks = getattr(node, "decorator_list", [])
            defined |= {f"{path.stem}.{node.name}" for mark in marks if ast.unparse(mark).split("(")[0] == "kernel"}
    assert len(defined) > 5
    assert {name.split(".")[0] for name in defined} == {module.__name__.split(".")[-1] for module in MODULES}
    assert defined == {name for name in KERNELS if list(FOLDER.rglob(f"{name.split('.')[0]}.py"))}


def test_kernels_that_the_processor_cannot_run_are_left_out(monkeypatch):
    names = {kernel.name for kernel in all_kernels()}
    assert ("block.swin_row_bfloat16" in names) == cpu.target().bf16
    monkeypatch.setattr(cpu, "target", lambda: cpu.Target("avx2", False, "other", ""))
    assert not any("bfloat16" in kernel.name for kernel in all_kernels())


WARM = """
import sys
from karat.kernels import warm
from karat.kernels.maps.shuffle import nearest2_row, picture1_row

if sys.argv.pop(1) == "two":
    warm.all_kernels = lambda: [nearest2_row, picture1_row]
from karat.app.cli import main
main()
"""


def warm(cache, *words, kernels="two"):
    program = f"import sys; sys.argv = {['karat', kernels, 'warm', *words]}\n{WARM}"
    process = start(program, cache)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def test_warm_says_what_it_does(tmp_path):
    first, second = warm(tmp_path), warm(tmp_path)
    assert first[0] == second[0] == f"{cpu.target().line}, 2 kernels"
    assert first[1].startswith("2 kernels compiled in ")
    assert second[1] == "nothing to do: all are compiled"
    (folder,) = tmp_path.iterdir()
    assert first[2] == second[2]
    assert first[2].startswith(f"{folder} holds ")
    assert (len(first), len(second)) == (3, 3)
    assert finish(start(TWO, tmp_path)) == ("compiled 0\n", "")


def test_warm_removes_other_versions(tmp_path, kept):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    (folder,) = tmp_path.iterdir()
    old, kept_by_others = tmp_path / "kernels-0123456789abcdef", [tmp_path / "kernels-mine", tmp_path / "other"]
    old.mkdir()
    (old / "lock").touch()
    (old / "code").write_bytes(bytes(1_500_000))
    kept_by_others[0].mkdir()
    kept_by_others[1].write_text("not ours")
    line = "1 folder of other versions, places or processors, 1.5 MB: "
    assert warm(tmp_path)[3] == f"{line}`karat warm --clean` removes them"
    assert old.exists()
    assert warm(tmp_path, "--clean")[3] == f"{line}removed"
    assert sorted(tmp_path.iterdir()) == sorted([folder, *kept_by_others])
    assert warm(tmp_path)[1] == "nothing to do: all are compiled"


@pytest.mark.long
def test_all_kernels_are_warmed(tmp_path):
    """And a callee that was compiled for its caller is not compiled again."""
    count = len(all_kernels())
    assert warm(tmp_path, kernels="all")[1].startswith(f"{count} kernels compiled in ")
    assert warm(tmp_path, kernels="all")[1] == "nothing to do: all are compiled"
