"""Foreign packages of coremltools' empty pass pipeline: nothing fused, folded or renamed, and a value called ``x``."""

import coremltools as ct
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import model as message
from mil_programs import operation, write_package
from networks import random_model
from swinir_networks import FORMS, network
from test_swinir_verify import BLOCK, DEFECTS, heads_permuted, picture

from karat.convert.export.coreml import _trace
from karat.convert.export.quiet import quiet
from karat.convert.fidelity import verify
from karat.convert.mil import open_package
from karat.convert.torch_models import twin
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet


def convert(net, path, shape, precision="FLOAT16"):
    """A package as ``ct.convert`` makes it without its passes."""
    with quiet():
        converted = ct.convert(
            _trace(net.eval(), shape),
            inputs=[ct.TensorType("x", shape, dtype=np.float32)],
            convert_to="mlprogram",
            compute_precision=getattr(ct.precision, precision),
            minimum_deployment_target=ct.target.iOS17,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
        converted.save(str(path))
    return open_package(path)


SINGLE = pytest.param("FLOAT32", marks=pytest.mark.long)  # one conversion takes three seconds


@pytest.mark.parametrize("precision", [SINGLE, "FLOAT16"])
@pytest.mark.parametrize("form", FORMS)
def test_an_honest_swinir_is_not_blamed(tmp_path, form, precision):
    net, model = network(form)
    x = picture(model, 2 * model.config.window, (2 if "position" in form else 3) * model.config.window)
    if form == "lightweight x3":
        x = x[:, :, :-1, :-3]  # to be padded
    program = convert(net, tmp_path / "m.mlpackage", x.shape, precision)
    verdict = verify(model, program, x)
    assert verdict.faithful is True, verdict.summary()
    untraced = [program.constants[name] for name in verdict.ledger.untraced]
    assert all(np.isin(value, [0, 1]).all() for value in untraced)  # a bias of zeros, a mean of 0, a range of 1
    assert sum(1 for row in verdict.rows if row.variable) > 0.8 * len(model.layers)


@pytest.mark.parametrize("precision", ["FLOAT32", "FLOAT16"])
def test_an_honest_quicksrnet_is_not_blamed(tmp_path, precision):
    model = random_model(quicksrnet.Config(6, 2, 2), 7)
    x = np.random.default_rng(1).random((1, 3, 8, 12))
    verdict = verify(model, convert(twin(model), tmp_path / "m.mlpackage", x.shape, precision), x)
    assert verdict.faithful is True, verdict.summary()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_a_defect_is_called_at_its_layer(tmp_path, defect):
    net, model = network("classical x2, 3conv")
    x = picture(model, 8, 12)
    with torch.no_grad():
        defect(net, net.layers[0].residual_group.blocks[1])
    verdict = verify(model, convert(net, tmp_path / "m.mlpackage", x.shape), x)
    assert verdict.faithful is False
    called = {heads_permuted: f"{BLOCK}.attn.proj"}.get(defect, DEFECTS[defect])  # the right heads are there, too
    assert verdict.culprit.layer == called


def chain(folder, names, outputs):
    """Every value is twice the one before, and called as ``names`` says."""
    before = ["x", *names]
    operations = [
        operation("add", {"x": before[i], "y": before[i]}, [(name, "float32", (2,))]) for i, name in enumerate(names)
    ]
    return write_package(folder, message([("x", "float32", (2,))], operations, outputs))


@given(place=st.integers(0, 3))
def test_what_follows_reads_the_value_that_hides_the_input(tmp_path_factory, place):
    names = [f"v{i}" for i in range(place)] + ["x"] + ["a", "x_2", "y"]
    program = open_package(chain(tmp_path_factory.mktemp("m") / "m.mlpackage", names, ["y"]))
    given = np.array([0.5, 3.0], np.float32)
    assert np.array_equal(program.predict({"x": given})["y"], given * 2 ** len(names))
    values = [record.name for record in program.trace({"x": given})]
    assert len(set(values)) == len(values)
    assert "x" not in values


@pytest.mark.parametrize(
    ("names", "outputs", "words"),
    [
        (["x", "x", "y"], ["y"], "'x' is computed twice"),
        (["a", "a", "y"], ["y"], "'a' is computed twice"),
        (["a", "x"], ["x"], "output 'x' is called like an input"),
    ],
)
def test_names_that_mean_two_things_are_refused(tmp_path, names, outputs, words):
    with pytest.raises(BadInput, match=words):
        open_package(chain(tmp_path / "m.mlpackage", names, outputs)).predict({"x": np.ones(2, np.float32)})


def test_reading_what_is_computed_later_is_refused(tmp_path):
    shape = ("float32", (2,))
    operations = [operation("relu", {"x": "b"}, [("a", *shape)]), operation("relu", {"x": "a"}, [("b", *shape)])]
    package = write_package(tmp_path / "m.mlpackage", message([("x", *shape)], operations, ["b"]))
    with pytest.raises(BadInput, match="which nothing computes before"):
        open_package(package).predict({"x": np.ones(2, np.float32)})
