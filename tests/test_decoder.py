"""The child that decodes may die, hang, lie or swell: its parent goes on, and so does the next file."""

import gc
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from photo_files import chunk, heic, numbers, pillow, png, smooth, tiff, with_chunk

from karat import BadInput
from karat.app.photos import decoder as decoder_module
from karat.app.photos.decoder import Decoder
from karat.app.photos.read import read_photo

PIXELS = smooth(60, 80)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(pillow(PIXELS, "PNG"))
    return path


def child(monkeypatch, statements):
    """Let the next children run these statements, with `main` of the real child at hand; `again` ends that."""
    real = decoder_module.CODE
    head, tail = real.split("with contextlib", 1)
    monkeypatch.setattr(decoder_module, "CODE", f"{head}{statements}\nwith contextlib{tail}")
    return lambda: monkeypatch.setattr(decoder_module, "CODE", real)


INSTEAD = """
from karat.app.photos import read
def instead(path, pixels=0, before=None):
    {}
read.read_photo = instead
"""


def test_it_gives_what_the_reader_gives(tmp_path):
    block = b"Exif\0\0II*\0\x08\0\0\0" + bytes(6)
    contents = [
        pillow(PIXELS, "JPEG", exif=block),
        png(numbers(9, 7, 4, 16)),
        tiff(PIXELS),
        heic(smooth(64, 64, 3, 10), 10),
        pillow(PIXELS, "JPEG", comment=b"Zo\xeb", dpi=(300, 150)),
        with_chunk(pillow(PIXELS, "PNG", dpi=(72, 72)), b"iTXt", b"Author\0\0\0\0\0\xd0\x96"),
    ]
    with Decoder() as decoder:
        for content in contents:
            path = tmp_path / "photo"
            path.write_bytes(content)
            here, there = read_photo(path), decoder.photo(path)
            np.testing.assert_array_equal(there.pixels, here.pixels)
            assert there.pixels.dtype == here.pixels.dtype
            assert (there.metadata, there.notes, there.bits) == (here.metadata, here.notes, here.bits)
            assert decoder.header(path).width == here.pixels.shape[1]
        assert decoder.deaths == 0


def test_one_child_serves_many_files(photo):
    with Decoder() as decoder:
        decoder.photo(photo)
        first = decoder._child.pid
        for _ in range(5):
            decoder.photo(photo)
        assert decoder._child.pid == first
        with pytest.raises(BadInput, match="No such file"):
            decoder.photo(photo.with_name("nothing"))
        assert decoder._child.pid == first


@pytest.mark.parametrize(
    ("statement", "how"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("import os; os.abort()", "signal 6"),
        ("import os; os._exit(3)", "exit code 3"),
    ],
)
def test_a_child_that_dies(monkeypatch, photo, statement, how):
    again = child(monkeypatch, INSTEAD.format(statement))
    with Decoder() as decoder:
        with pytest.raises(BadInput, match=f"photo.png ended its decoder .{how}.*expected.*; save it again"):
            decoder.photo(photo)
        assert decoder.deaths == 1
        again()
        np.testing.assert_array_equal(decoder.photo(photo).pixels, PIXELS)


@pytest.mark.parametrize("statement", ["import time; time.sleep(60)", "while True: pass"])
def test_a_child_that_hangs(monkeypatch, photo, statement):
    again = child(monkeypatch, INSTEAD.format(statement))
    with Decoder(seconds=1) as decoder:
        start = time.monotonic()
        with pytest.raises(BadInput, match=r"photo.png took more than 1 s"):
            decoder.photo(photo)
        assert time.monotonic() - start < 1 + decoder_module.START
        again()
        decoder.seconds = 60
        np.testing.assert_array_equal(decoder.photo(photo).pixels, PIXELS)


def test_a_child_over_its_memory(monkeypatch, photo):
    child(monkeypatch, INSTEAD.format("return bytearray(2**40)"))
    with Decoder() as decoder:
        with pytest.raises(BadInput, match="memory"):
            decoder.photo(photo)
        assert decoder.deaths == 0


def test_memory_beyond_what_the_header_asks_for_is_refused(monkeypatch, photo):
    """A decoder that swells although the picture is small meets the limit, not the machine."""
    swollen = "from karat.app.photos import pillow_pixels\npillow_pixels.pillow_pixels = lambda *_: bytearray(2**33)\n"
    child(monkeypatch, swollen)
    with Decoder() as decoder, pytest.raises(BadInput, match=r"photo.png needs more memory than it may have"):
        decoder.photo(photo)


def test_a_stated_memory_is_a_limit_and_said_before(tmp_path, photo):
    with Decoder(memory=2**30) as decoder:
        np.testing.assert_array_equal(decoder.photo(photo).pixels, PIXELS)
        large = tmp_path / "large.png"
        content = pillow(PIXELS, "PNG")
        head = chunk(b"IHDR", struct.pack(">II", 8000, 6000) + content[24:29])
        large.write_bytes(content[:8] + head + content[33:])
        with pytest.raises(BadInput, match=r"large.png may need .* GB to be decoded, expected at most 1.1 GB"):
            decoder.photo(large)
        assert decoder.deaths == 0


def lying(answer):
    """Statements of a child that answers any request with these bytes and ends, or waits."""
    return f"""
def main(connection, memory, seconds):
    import struct, time
    from karat.app.photos.decoder_child import send, receive
    send(connection, {{"ready": True}}, [])
    receive(connection)
    {answer}
"""


GOOD = (
    "{'photo': {'shape': [2, 3, 1], 'bits': 8, 'format': 'PNG', 'blobs': {}, 'cicp': None,"
    " 'density': None, 'notes': [], 'linear': False, 'camera': {}}}"
)


def test_the_lies_are_told_as_the_truth_is(monkeypatch, photo):
    child(monkeypatch, lying(f"send(connection, {GOOD}, [b'123456'])"))
    with Decoder() as decoder:
        np.testing.assert_array_equal(decoder.photo(photo).pixels.ravel(), list(b"123456"))


@pytest.mark.parametrize(
    "answer",
    [
        f"send(connection, {GOOD}, [b'12345'])",  # half an answer, then death
        f"send(connection, {GOOD}, [b'12345']); time.sleep(60)",  # half an answer, then silence
        "connection.sendall(b'\\0\\0')",
        "connection.sendall(struct.pack('>I', 2**32 - 1)); time.sleep(60)",
        "connection.sendall(struct.pack('>I', 3) + b'[1]')",
        "connection.sendall(struct.pack('>I', 200000) + b'[' * 200000)",
        "send(connection, {'photo': 1}, [])",
        "send(connection, {'header': {}}, [])",
        "send(connection, {}, [])",
        *[
            f"send(connection, {GOOD.replace(*change)}, [b'123456'])"
            for change in [
                ("[2, 3, 1]", "[2, -3, 1]"),
                ("'density': None", "'density': [0, 1, 'inch']"),
                ("'density': None", "'density': [1, 1, 'mile']"),
                ("'density': None", "'density': [1, '1', 'inch']"),
                ("'blobs': {}", "'blobs': {'texts': 6}"),
                ("[2, 3, 1]", "[2, 3, 9]"),
                ("[2, 3, 1]", "[2.0, 3, 1]"),
                ("[2, 3, 1]", "[200000, 300000, 1]"),
                ("[2, 3, 1]", "[2, 3]"),
                ("'bits': 8", "'bits': 9"),
                ("'bits': 8", "'bits': True"),
                ("'PNG'", "'EXE'"),
                ("'PNG'", "['PNG']"),
                ("'blobs': {}", "'blobs': {'exif': -1}"),
                ("'blobs': {}", "'blobs': {'exif': 2**40}"),
                ("'blobs': {}", "'blobs': {'__class__': 1}"),
                ("'cicp': None", "'cicp': [1, 2]"),
                ("'notes': []", "'notes': ['a\\x1b[31m']"),
                ("'camera': {}", "'camera': {'x': float('nan')}"),
                ("'camera': {}", "'camera': []"),
                ("'linear': False", "'linear': 1"),
            ]
        ],
    ],
)
def test_answers_that_cannot_be_right(monkeypatch, photo, answer):
    again = child(monkeypatch, lying(answer))
    with Decoder(seconds=2) as decoder:
        with pytest.raises(BadInput, match=r"^photo\.png [^\n]*expected[^\n]*; "):
            decoder.photo(photo)
        assert decoder.deaths == 1
        again()
        decoder.seconds = 60
        np.testing.assert_array_equal(decoder.photo(photo).pixels, PIXELS)


def test_values_above_the_stated_bits_are_no_answer(monkeypatch, photo):
    answer = GOOD.replace("'bits': 8", "'bits': 10")
    child(monkeypatch, lying(f"send(connection, {answer}, [bytes([255, 3] * 5), bytes([0, 4])])"))
    with Decoder() as decoder, pytest.raises(BadInput, match="cannot be right"):
        decoder.photo(photo)


@pytest.mark.parametrize("statements", ["import os; os._exit(1)", "import time; time.sleep(60)", "1 / 0"])
def test_a_child_that_never_gets_ready(monkeypatch, photo, statements):
    again = child(monkeypatch, statements)
    monkeypatch.setattr(decoder_module, "START", 1.0)
    with Decoder() as decoder:
        with pytest.raises(BadInput, match=r"photo\.png"):
            decoder.photo(photo)
        again()
        monkeypatch.setattr(decoder_module, "START", 60.0)
        np.testing.assert_array_equal(decoder.photo(photo).pixels, PIXELS)


def test_a_child_killed_between_files_is_replaced(photo):
    with Decoder() as decoder:
        decoder.photo(photo)
        os.kill(decoder._child.pid, signal.SIGKILL)
        decoder._child.wait()
        np.testing.assert_array_equal(decoder.photo(photo).pixels, PIXELS)


def test_nothing_is_left_behind(photo):
    """No process, no open file, no shared memory; not after deaths either."""
    shared = Path("/dev/shm")
    gc.collect()
    files, memory = set(os.listdir("/proc/self/fd")), set(shared.iterdir()) if shared.is_dir() else set()
    with Decoder() as decoder:
        decoder.photo(photo)
        children = [decoder._child]
        os.kill(decoder._child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, decoder._child.pid, os.WEXITED | os.WNOWAIT)
        decoder.photo(photo)
        children.append(decoder._child)
    assert all(process.returncode is not None for process in children)
    assert set(os.listdir("/proc/self/fd")) == files
    assert (set(shared.iterdir()) if shared.is_dir() else set()) == memory


INTERRUPTED = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have switched it off
from karat.app.photos import decoder as module
module.CODE = module.CODE.replace("with contextlib", sys.argv[2] + "\\nwith contextlib")
decoder = module.Decoder().__enter__()
pid = decoder._child.pid
threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    decoder.photo(sys.argv[1])
except KeyboardInterrupt:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        print("interrupted, child gone")
"""


def test_control_c_ends_the_child_too(photo):
    slow = INSTEAD.format("import time; time.sleep(60)")
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(photo), slow], capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.stderr) == ("interrupted, child gone\n", "")


def test_a_parent_that_is_killed_leaves_no_child(photo):
    program = """import sys, time
from karat.app.photos.decoder import Decoder
d = Decoder().__enter__()
d.photo(sys.argv[1])
print(d._child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(photo)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return  # ended, and not yet collected by whoever took it over
        time.sleep(0.1)
    pytest.fail("the child outlived its parent")


def test_threads_take_turns(photo):
    results = []
    with Decoder() as decoder:
        threads = [threading.Thread(target=lambda: results.append(decoder.photo(photo).pixels)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 4
    for pixels in results:
        np.testing.assert_array_equal(pixels, PIXELS)


LOADED = """
import sys
from karat.app.photos import decoder_child, read
{}
print(" ".join(sorted({{name.split(".")[0] for name in sys.modules}})))
"""


def test_the_child_loads_what_a_file_needs(photo):
    heavy = {"numba", "torch", "scipy", "PIL", "pillow_heif", "rawpy", "tifffile", "imagecodecs", "skimage"}
    for statement, allowed in (("", set()), (f"read.read_photo({str(photo)!r})", {"PIL"})):
        done = subprocess.run([sys.executable, "-I", "-c", LOADED.format(statement)], capture_output=True, text=True)
        assert done.stderr == ""
        assert set(done.stdout.split()) & heavy == allowed


def test_it_waits_for_work_soon():
    """In time of the processor: a clock on the wall would measure the neighbours."""
    resource = pytest.importorskip("resource")
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        decoder = Decoder().__enter__()
        decoder._await_ready()
        os.kill(decoder._child.pid, signal.SIGKILL)  # what it prepares while it waits does not count
        decoder.close()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.25
