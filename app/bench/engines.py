"""The engines that are compared: karat's own and the ones that people would otherwise pick.

A peer is imported when it is prepared, with its own defaults but for the number of threads. Nothing is pinned.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from ...kernels import cpu
from .case import Case, onnx_file
from .ncnn_files import ncnn_files, unwritten
from .openvino_engine import openvino_tiled, openvino_whole, tile_size

PEERS = {"torch": "PyTorch", "onnx": "onnx", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn"}
KARAT = ("karat-f32", "karat-bf16")  # what the ratios are of


@dataclass(frozen=True)
class Prepared:
    """An engine that is ready to run on one picture.

    Attributes
    ----------
    run : callable
        () -> ndarray, (1, channels, sH, sW).
    precision : str
        What it multiplies in, as the engine itself says: "float32", "bfloat16", ...
    threads : int
    predicted : int or None
        Bytes that the engine said it would need.
    slow : tuple of str
        Layers that it runs on a slow path.
    """

    run: Callable[[], np.ndarray]
    precision: str
    threads: int
    predicted: int | None = None
    slow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Engine:
    """One row of the comparison.

    Attributes
    ----------
    name : str
        For ``--engines``.
    title : str
        For people.
    prepare : callable
        Case -> Prepared; nothing of what it does is timed.
    needs : str or None
        Module, key of `PEERS`.
    reads : callable or None
        Case -> (H, W) of the ONNX file that it reads.
    factor : int
        How many times the threads of the others it uses.
    """

    name: str
    title: str
    prepare: Callable[[Case], Prepared]
    needs: str | None = None
    reads: Callable[[Case], tuple[int, int]] | None = None
    factor: int = 1

    def label(self, threads):
        """The title, with the number of threads where it is another one than that of the others."""
        return self.title if self.factor == 1 else f"{self.title}, {self.factor * threads} threads"


SLOW = "slow"  # how the kernel of a layer that no fast one serves begins, in karat's plans


def _karat(precision, factor=1):
    def prepare(case):
        from ...kernels.compile import compile

        threads = factor * case.threads
        fast = compile(case.model, precision=precision, threads=threads)
        if not getattr(case.model.config, "positions", 0):  # else it takes pictures of one size only
            fast(case.cut(16).x)  # kernels are compiled or loaded here, and not measured as memory of the picture
        slow = tuple(layer for layer, kernel in fast.plan() if kernel.startswith(SLOW))
        return Prepared(lambda: fast(case.x), fast.precision, fast.threads, fast.memory(*case.size), slow)

    return prepare


def _torch(case):
    import torch

    from ...convert.torch_models import twin

    module, x = twin(case.model), torch.from_numpy(case.x)
    torch.set_num_threads(case.threads)

    def run():
        with torch.inference_mode():
            return module(x).numpy()

    return Prepared(run, "float32", case.threads)


def _onnxruntime(case):
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = case.threads, 1
    path = str(onnx_file(case, *case.size))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Prepared(lambda: np.asarray(session.run(None, {name: case.x})[0]), "float32", case.threads)


def _openvino(build, hint):
    def prepare(case):
        run, precision = build(case, hint)
        return Prepared(run, precision, case.threads)

    return prepare


def _ncnn(case):
    import ncnn  # pyright: ignore[reportMissingImports]

    param, weights = case.folder / "ncnn.param", case.folder / "ncnn.bin"
    for path, content in zip((param, weights), ncnn_files(case.model), strict=True):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    net = ncnn.Net()  # pyright: ignore[reportAttributeAccessIssue]
    net.opt.num_threads = case.threads
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False  # the default where the processor has it
    if net.load_param(str(param)) or net.load_model(str(weights)):
        raise RuntimeError("ncnn refuses the network that was written for it")

    def run():
        extractor = net.create_extractor()
        extractor.input("x", ncnn.Mat(case.x[0]))  # pyright: ignore[reportAttributeAccessIssue]
        return np.array(extractor.extract("y")[1])[None]

    return Prepared(run, "float32", case.threads)


def _whole(case):
    return case.size


_ALL = (
    Engine("karat-f32", "karat f32", _karat("float32")),
    Engine("karat-bf16", "karat bf16", _karat("bfloat16")),
    Engine("karat-f32-2", "karat f32", _karat("float32", factor=2), factor=2),
    Engine("torch", "PyTorch eager", _torch, "torch"),
    Engine("onnxruntime", "ONNX Runtime", _onnxruntime, "onnxruntime", _whole),
    Engine("openvino-f32", "OpenVINO f32", _openvino(openvino_whole, "f32"), "openvino", _whole),
    Engine("openvino", "OpenVINO default", _openvino(openvino_whole, None), "openvino", _whole),
    Engine("openvino-f32-64", "OpenVINO f32 tiled", _openvino(openvino_tiled, "f32"), "openvino", tile_size),
    Engine("openvino-64", "OpenVINO tiled", _openvino(openvino_tiled, None), "openvino", tile_size),
    Engine("ncnn", "ncnn f32", _ncnn, "ncnn"),
)
ENGINES = {engine.name: engine for engine in _ALL}


def absent(engine: Engine, case: Case):
    """Why an engine cannot take part, in one sentence, or None."""
    if engine.needs and not _found(engine.needs):
        return f"{PEERS[engine.needs]} is not installed: pip install {engine.needs}"
    missing = [module for module in ("torch", "onnx") if engine.reads and not _found(module)]
    if missing:
        needed = " ".join(missing)
        return f"{engine.title} reads what torch and onnx write, {missing[0]} is missing: pip install {needed}"
    if engine.name == "ncnn":
        return unwritten(case.model)
    if engine.name == "karat-bf16" and not cpu.target().bf16:
        return f"{engine.title} needs a processor that multiplies bfloat16, and there are {cpu.target().line}"
    available = os.cpu_count() or 1
    if available < engine.factor * case.threads:
        return f"{engine.label(case.threads)} would need more than the processor's {available}; give fewer --threads"
    return None


def _found(module):
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
