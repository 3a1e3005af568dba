"""Jobs that are stopped: by Ctrl-C, by the system, by kill -9 at any moment; and what --resume makes of them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_cases import MANIFEST, command, leftovers, picture, run, tiny_network, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc")
PICTURES = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a job, done without a disturbance in ``whole``: (folder, options, seconds)."""
    folder = tmp_path_factory.mktemp("stopped")
    suffixes = [".png", ".jpg", ".webp", ".tif"]
    for i in range(PICTURES):
        picture(folder / f"in/{'sub/' * (i % 2)}p{i}{suffixes[i % 4]}", i, 40 + i, 30)
    options = ("in", "-r", "--threads", "1", "--model", tiny_network(folder))
    start = time.monotonic()
    run(folder, *options, "-o", "whole")
    assert len(tree(folder / "whole")) == PICTURES
    return folder, options, time.monotonic() - start


def started(folder, *words):
    return subprocess.Popen(command(*words), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def children(pid):
    """Of a process, and theirs."""
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [*map(int, direct), *(one for child in direct for one in children(child))]


def files(folder):
    """How many there are, while they come and go."""
    return sum(not path.name.startswith(MANIFEST) and path.is_file() for path in Path(folder).rglob("*"))


def wait_for_results(process, folder, number, seconds=120):
    end = time.monotonic() + seconds
    while files(folder) < number and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


def ended(pids, seconds=30):
    """Whether all of them end by themselves."""
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_and_resume(whole, out, results, seconds=0.0, extra=()):
    """Killed ``seconds`` after so many results, resumed, and compared: how many there were, None where it had ended."""
    folder, options, _ = whole
    process = started(folder, *options, *extra, "-o", out)
    wait_for_results(process, folder / out, results)
    time.sleep(seconds)
    family = children(process.pid)
    process.kill()
    process.communicate()
    assert ended(family)
    partial = tree(folder / out)
    run(folder, *options, *extra, "-o", out, "--resume")
    assert tree(folder / out) == tree(folder / "whole")
    assert leftovers(folder / out) == []
    return len(partial) if process.returncode == -signal.SIGKILL else None


@pytest.mark.parametrize("results", [1, 7, 20, 33, 39])
def test_killed_and_resumed(whole, results):
    kill_and_resume(whole, f"killed{results}", results)


def test_killed_in_processes_and_resumed(whole):
    kill_and_resume(whole, "killed-jobs", 5, extra=("--jobs", "2"))


@pytest.mark.long
def test_killed_at_fifty_moments(whole):
    """Ten on the clock, from the start of the process to its end; the others where results appear, or amid one."""
    rng = random.Random(7)
    moments = [(0, rng.uniform(0.3, whole[2])) for _ in range(10)]
    moments += [(rng.randrange(PICTURES), rng.uniform(0, 0.03)) for _ in range(40)]
    counts = [kill_and_resume(whole, f"moment{i}", *moment) for i, moment in enumerate(moments)]
    amid = [count for count in counts if count is not None]
    assert len(amid) >= 40, counts
    assert len(set(amid)) >= 15, counts


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_stopped_by_a_signal(whole, number, jobs):
    folder, options, _ = whole
    out = f"signal{int(number)}-{jobs}"
    process = started(folder, *options, "--jobs", str(jobs), "-o", out)
    wait_for_results(process, folder / out, 3)
    family = children(process.pid)
    assert family
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == "karat: stopped, and nothing is left half; the same command with --resume goes on\n"
    assert not any(map(alive, family))
    assert leftovers(folder / out) == []
    whole_tree = tree(folder / "whole")
    partial = tree(folder / out)
    assert 1 <= len(partial) < PICTURES
    assert all(whole_tree[name] == value for name, value in partial.items())


def test_a_killed_temporary_file_is_seen(whole):
    """The check of this file catches a file that nobody took away."""
    folder, *_ = whole
    (folder / "mutant").mkdir(exist_ok=True)
    (folder / "mutant/.karat-0123456789abcdef.part").write_bytes(b"half")
    assert len(leftovers(folder / "mutant")) == 1
    assert os.listdir(folder / "mutant")
