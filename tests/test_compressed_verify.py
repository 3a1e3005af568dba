"""Compressed weights on their way through verify, inspect and run; functions and images on the command line."""

import io
import json

import numpy as np
import pytest
from mil_programs import field, named, operation, write_package
from PIL import Image
from rich.console import Console
from test_mil_features import counter, flexible, function, functions

import karat
from karat.app.packages import run_inspect, run_package
from karat.app.ranges import run_range
from karat.convert.mil import open_package
from karat.refimpl.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore")
opt = pytest.importorskip("coremltools.optimize.coreml", reason="coremltools compresses; install karat[convert]")
import coremltools as ct  # noqa: E402


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    from karat.convert.export.coreml import export

    model = karat.load("zoo:quicksrnet-small-x2")
    path = tmp_path_factory.mktemp("n") / "n.mlpackage"
    return model, export(model, path, input_shape=(1, 3, 16, 16), target="iOS16")


COMPRESSIONS = {
    "palette": (opt.palettize_weights, opt.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=0)),
    "grid": (opt.linear_quantize_weights, opt.OpLinearQuantizerConfig(weight_threshold=0)),
    "sparse": (
        opt.prune_weights,
        opt.OpThresholdPrunerConfig(threshold=1e-12, minimum_sparsity_percentile=0.0, weight_threshold=0),
    ),
}
KINDS = {
    "palette": "constexpr_lut_to_dense",
    "grid": "constexpr_affine_dequantize",
    "sparse": "constexpr_sparse_to_dense",
}


@pytest.fixture(scope="module", params=COMPRESSIONS)
def compressed(request, network, tmp_path_factory):
    compress, config = COMPRESSIONS[request.param]
    model = ct.models.MLModel(str(network[1]), skip_model_load=True)
    path = tmp_path_factory.mktemp("c") / "c.mlpackage"
    compress(model, opt.OptimizationConfig(config)).save(str(path))
    return request.param, path


def test_verify_judges_compressed_weights_by_what_they_decompress_to(network, compressed):
    model, (kind, path) = network[0], compressed
    x = np.random.default_rng(0).random((1, 3, 16, 16))
    verdict = karat.verify(model, open_package(path), x)
    stored = [e for e in verdict.ledger.entries if e.stored]
    assert stored
    assert all(e.stored.startswith(KINDS[kind]) for e in stored)
    assert (verdict.ledger.untraced, verdict.ledger.unread) == ([], [])
    assert verdict.faithful is (kind == "sparse")  # nothing is lost in a mask; palettes and grids are other weights
    wrong = [e for e in stored if e.wrong]
    assert bool(wrong) is (kind != "sparse")
    assert all(f"stored as {KINDS[kind]}" in e.note for e in wrong)


def console():
    return Console(file=io.StringIO(), width=200)


def test_inspect_counts_what_is_stored(network, compressed, tmp_path):
    kind, path = compressed
    output = console()
    run_inspect(output, path, tmp_path / "i.json")
    told = json.loads((tmp_path / "i.json").read_bytes())
    assert KINDS[kind] in output.file.getvalue()
    assert told["unsupported"] == []
    program = open_package(path)
    dense = sum(program.constants[name].nbytes for name in program.compressed)
    assert dense > 0
    stored = sum(told["constant_bytes"].values())
    assert stored < sum(value.nbytes for value in program.constants.values()) - dense + 1


def test_run_and_inspect_take_a_function(tmp_path):
    shape = ("float32", (1, 3, 2, 2))
    parts = {
        name: function([named("x", *shape)], [operation("mul", {"x": "x", "y": k}, [("y", *shape)])], ["y"])
        for name, k in (("main", np.float32(1)), ("half", np.float32(0.5)))
    }
    package = write_package(tmp_path / "f.mlpackage", functions(**parts))
    Image.new("RGB", (2, 2), (200, 100, 50)).save(tmp_path / "p.png")
    for name, expected in ((None, (200, 100, 50)), ("half", (100, 50, 25))):
        run_package(console(), package, tmp_path / "p.png", tmp_path / "o.png", "float64", None, name)
        assert Image.open(tmp_path / "o.png").getpixel((0, 0)) == expected
        (tmp_path / "o.png").unlink()
        run_inspect(console(), package, None, name)
    with pytest.raises(BadInput, match="no function 'third'"):
        run_inspect(console(), package, None, "third")


@pytest.mark.parametrize("layout", [20, 30])
def test_run_gives_and_takes_images(tmp_path, layout):
    kind = field(4, field(1, 2) + field(2, 2) + field(3, layout))
    flexible(tmp_path, kind, (1, 3, 2, 2), out=kind)
    Image.new("RGB", (2, 2), (100, 40, 5)).save(tmp_path / "p.png")
    run_package(console(), tmp_path / "x.mlpackage", tmp_path / "p.png", tmp_path / "o.png", "fp32-accumulate")
    assert Image.open(tmp_path / "o.png").getpixel((1, 1)) == (200, 80, 10)


def test_a_package_with_states_is_inspected_and_run_and_not_verified(tmp_path, network):
    package, output = counter(tmp_path), console()
    run_inspect(output, package, None)
    assert "state   s: float16 (2,)" in output.file.getvalue()
    assert run_range(output, package) == 2
    assert "state 's' may hold anything" in output.file.getvalue()
    np.savez(tmp_path / "x.npz", x=np.ones(2))
    run_package(output, package, tmp_path / "x.npz", tmp_path / "y.npz", "fp32-accumulate")
    assert np.load(tmp_path / "y.npz")["z"].tolist() == [1, 1]
    with pytest.raises(BadInput, match="keeps the state 's', expected none"):
        karat.verify(network[0], open_package(package), np.zeros((1, 3, 16, 16)))
