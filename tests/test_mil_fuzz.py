"""Mutated packages through one warm child of 1 GiB: an answer or one sentence each, no signal, no hang.

The long run takes 5,000 of them (pytest -m long -s tests/test_mil_fuzz.py prints what became of them).
"""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mil_fuzz import encode, mutate, mutate_weights, parse
from mil_programs import field, model, named, operation, weight_file, write_package

CHILD = Path(__file__).with_name("mil_fuzz_child.py")
MEMORY, SECONDS = 2**30, 20.0
ALLOWED = ("ran", "refused", "unsupported")
F = np.float32
X = ("x", "float32", (1, 4, 8, 6))


def ints(*numbers):
    """An int32 parameter."""
    return np.array(numbers, np.int32)


def seeds():
    """(name, Model message, weight.bin or None): one operation each, and a network of several."""
    y = lambda *shape, dtype="float32": ("y", dtype, shape)  # noqa: E731
    one = {
        "conv": ({"weight": np.ones((4, 2, 3, 3), F), "pad_type": np.array("custom"), "pad": ints(1, 0, 2, 1),
                  "strides": ints(1, 1), "dilations": ints(1, 1), "groups": np.int32(2)}, y(1, 4, 7, 7)),
        "conv_transpose": ({"weight": np.ones((4, 2, 3, 3), F), "strides": ints(2, 2)}, y(1, 2, 17, 13)),
        "max_pool": ({"kernel_sizes": ints(2, 2), "strides": ints(2, 2), "pad_type": np.array("valid"),
                      "pad": ints(0, 0, 0, 0), "ceil_mode": np.bool_(False)}, y(1, 4, 4, 3)),
        "avg_pool": ({"kernel_sizes": ints(3, 3), "strides": ints(1, 1), "pad_type": np.array("same"),
                      "exclude_padding_from_average": np.bool_(True)}, y(1, 4, 8, 6)),
        "layer_norm": ({"axes": ints(2, 3), "epsilon": F(1e-5)}, y(1, 4, 8, 6)),
        "batch_norm": ({"mean": np.ones(4, F), "variance": np.ones(4, F)}, y(1, 4, 8, 6)),
        "local_response_norm": ({"size": np.int32(3)}, y(1, 4, 8, 6)),
        "reshape": ({"shape": ints(4, -1)}, y(4, 48)),
        "transpose": ({"perm": ints(0, 2, 3, 1)}, y(1, 8, 6, 4)),
        "pad": ({"pad": ints(1, 2, 3, 0), "mode": np.array("reflect")}, y(1, 4, 11, 9)),
        "tile": ({"reps": ints(1, 2, 1, 3)}, y(1, 8, 8, 18)),
        "slice_by_index": ({"begin": ints(0, 1, 0, 0), "end": ints(1, 3, 8, 6), "stride": ints(1, 1, 2, 1)},
                           y(1, 2, 4, 6)),
        "gather": ({"indices": ints(3, 0), "axis": np.int32(1)}, y(1, 2, 8, 6)),
        "split": ({"num_splits": np.int32(1), "axis": np.int32(1)}, y(1, 4, 8, 6)),
        "reduce_mean": ({"axes": ints(1, 2), "keep_dims": np.bool_(True)}, y(1, 1, 1, 6)),
        "topk": ({"k": np.int32(2), "axis": np.int32(3)}, y(1, 4, 8, 2)),
        "pixel_shuffle": ({"upscale_factor": np.int32(2)}, y(1, 1, 16, 12)),
        "space_to_depth": ({"block_size": np.int32(2)}, y(1, 16, 4, 3)),
        "resize_bilinear": ({"target_size_height": np.int32(16), "target_size_width": np.int32(9),
                             "sampling_mode": np.array("UNALIGN_CORNERS")}, y(1, 4, 16, 9)),
        "upsample_nearest_neighbor": ({"scale_factor_height": F(2), "scale_factor_width": F(3)}, y(1, 4, 16, 18)),
        "crop_resize": ({"boxes": np.array([[0, 0, 3, 3]], F), "box_indices": ints(0), "target_height": np.int32(2)},
                        y(1, 4, 2, 1)),
        "sliding_windows": ({"axis": np.int32(2), "size": np.int32(3)}, y(1, 4, 6, 3, 6)),
        "one_hot": ({}, y(1, 4, 8, 6, 5)),
        "range_1d": ({}, y(5)),
        "fill": ({"shape": ints(2, 3), "value": F(1)}, y(2, 3)),
        "cast": ({"dtype": np.array("int32")}, y(1, 4, 8, 6, dtype="int32")),
        "clip": ({"alpha": F(0), "beta": F(1)}, y(1, 4, 8, 6)),
        "softmax": ({"axis": np.int32(-1)}, y(1, 4, 8, 6)),
    }  # fmt: skip
    one["one_hot"] = {"indices": np.zeros((2, 3), np.int32), "one_hot_vector_size": np.int32(5)}, y(2, 3, 5)
    one["range_1d"] = {"start": np.int32(0), "end": np.int32(5), "step": np.int32(1)}, y(5, dtype="int32")
    for kind, (parameters, output) in one.items():
        inputs = {} if kind in ("one_hot", "range_1d", "fill") else {"x": "x"}
        outputs = [output, ("i", "int32", output[2])] if kind == "topk" else [output]
        yield kind, model([X], [operation(kind, inputs | parameters, outputs)], ["y"]), None
    yield "network", *network()


def network():
    """Weights in a file, shared values, several operations."""
    weights, (first, second) = weight_file([np.ones((4, 4, 3, 3), np.float16), np.ones((6, 6), np.float16)])
    blob = lambda name, shape, offset: _constant(name, "float16", shape, offset)  # noqa: E731
    half = lambda name, *shape: (name, "float16", shape)  # noqa: E731
    operations = [
        blob("w", (4, 4, 3, 3), first),
        blob("v", (6, 6), second),
        operation("cast", {"x": "x", "dtype": np.array("fp16")}, [half("h", 1, 4, 8, 6)]),
        operation("conv", {"x": "h", "weight": "w", "pad_type": np.array("same")}, [half("c", 1, 4, 8, 6)]),
        operation("linear", {"x": "c", "weight": "v"}, [half("l", 1, 4, 8, 6)]),
        operation("add", {"x": "l", "y": "c"}, [half("a", 1, 4, 8, 6)]),
        operation("concat", {"values": ["a", "h"], "axis": np.int32(1)}, [half("k", 1, 8, 8, 6)]),
        operation("matmul", {"x": "k", "y": "k", "transpose_y": np.bool_(True)}, [half("m", 1, 8, 8, 8)]),
        operation("cast", {"x": "m", "dtype": np.array("fp32")}, [("y", "float32", (1, 8, 8, 8))]),
    ]
    return model([X], operations, ["y"]), weights


def _constant(name, dtype, shape, offset):
    file = field(1, "@model_path/weights/weight.bin") + field(2, offset)
    value = field(2, named(name, dtype, shape)[len(field(1, name)) :][2:]) + field(5, file)
    return field(1, "const") + field(3, named(name, dtype, shape)) + field(5, field(1, "val") + field(2, value))


class Child:
    """The warm child; started again where it died."""

    def __init__(self):
        self.deaths, self.process = 0, None

    def ask(self, path):
        """Its answer, or None where it died or took too long."""
        if self.process is None:
            command = [sys.executable, CHILD, str(MEMORY)]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        timer = threading.Timer(SECONDS, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if line:
            return line.split(" ", 3)
        self.process.wait()
        self.deaths, self.process = self.deaths + 1, None
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.communicate()


def run(folder, count, seed=0):
    """How many packages ended in which way; those that ended in a wrong one."""
    random, counts, wrong, bases = np.random.default_rng(seed), Counter(), [], list(seeds())
    with Child() as child:
        for number in range(count):
            name, message, weights = bases[int(random.integers(len(bases) + 8)) % len(bases)]
            if weights is not None and random.random() < 0.3:
                weights = mutate_weights(weights, random)
            else:
                message = mutate(message, random)
            answer = child.ask(write_package(folder / f"{number}.mlpackage", message, weights))
            counts[answer[0] if answer else "died"] += 1
            if not answer or answer[0] not in ALLOWED or "SEVERAL LINES" in answer[3] or float(answer[1]) > SECONDS:
                wrong.append((number, name, answer))
    return counts, wrong


def test_the_seeds_run(tmp_path):
    with Child() as child:
        for number, (name, message, weights) in enumerate(seeds()):
            assert encode(parse(message)) == message
            answer = child.ask(write_package(tmp_path / f"{number}.mlpackage", message, weights))
            assert answer is not None
            assert answer[0] == "ran", (name, answer)


def test_300_mutated_packages(tmp_path):
    counts, wrong = run(tmp_path, 300)
    assert wrong == []
    assert counts["refused"] > 50
    assert counts["ran"] > 20


@pytest.mark.long
def test_5000_mutated_packages(tmp_path, capsys):
    counts, wrong = run(tmp_path, 5000, seed=1)
    with capsys.disabled():
        print(f"\n{counts}")
    assert wrong == []
