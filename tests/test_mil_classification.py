"""Classifiers: the label of the most probable class, and a dict of probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from typer.testing import CliRunner

from karat.app.cli import app
from karat.convert.mil import open_package
from karat.convert.mil.ops.classification import classify
from karat.refimpl.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore")  # coremltools' and PyTorch's own
SHARES = st.integers(1, 9).flatmap(lambda n: arrays(np.float32, (1, n), elements=st.floats(0, 1, width=32)))
run = CliRunner().invoke


@given(SHARES)
def test_the_label_is_that_of_the_largest(shares):
    classes = tuple(f"class {i}" for i in range(shares.size))
    label, values = classify(shares, classes)
    assert all(shares[0, i] <= shares[0, classes.index(label)] for i in range(shares.size))
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, shares[0])


@pytest.mark.parametrize("count", [0, 2, 4])
def test_classes_and_probabilities_are_as_many(count):
    with pytest.raises(BadInput, match=f"3 probabilities for {count} classes"):
        classify(np.ones((1, 3)), range(count))


@pytest.fixture(scope="module", params=[["cat", "dog", "eel"], [30, 10, 20]], ids=["names", "numbers"])
def classifier(request, tmp_path_factory):
    """(path of a package that coremltools has written, the network, its labels)."""
    ct = pytest.importorskip("coremltools", reason="coremltools writes the package; install karat[convert]")
    torch = pytest.importorskip("torch", reason="the network is written in PyTorch; install karat[test]")
    torch.manual_seed(1)
    layers = [torch.nn.Conv2d(3, 3, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Softmax(1)]
    network = torch.nn.Sequential(*layers).eval()
    package = ct.convert(
        torch.jit.trace(network, torch.zeros(1, 3, 8, 8)),
        inputs=[ct.ImageType(name="x", shape=(1, 3, 8, 8), scale=1 / 255)],
        classifier_config=ct.ClassifierConfig(request.param),
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT32,
        convert_to="mlprogram",
        skip_model_load=True,
    )
    path = tmp_path_factory.mktemp("classifier") / "m.mlpackage"
    package.save(str(path))
    with torch.no_grad():
        pixels = torch.full((1, 3, 8, 8), 1.0) * torch.tensor([200, 10, 90]).view(1, 3, 1, 1) / 255
        return path, network(pixels)[0].numpy(), request.param


def test_a_classifier_gives_what_the_network_gives(classifier, tmp_path):
    path, shares, labels = classifier
    picture = Image.new("RGB", (8, 8), (200, 10, 90))
    label, found = open_package(path).predict({"x": picture}).values()
    assert label == labels[int(np.argmax(shares))]
    assert list(found) == labels
    np.testing.assert_allclose(list(found.values()), shares, rtol=1e-5)  # float32, 27 products
    picture.save(tmp_path / "x.png")
    done = run(app, ["run", str(path), "-i", str(tmp_path / "x.png"), "-o", str(tmp_path / "y.npz")])
    assert done.exit_code == 0, done.output
    assert f"classLabel: {label}" in done.output
    again = ["run", str(path), "-i", str(tmp_path / "x.png"), "--against", str(tmp_path / "y.npz")]
    assert run(app, again).exit_code == 0
    with np.load(tmp_path / "y.npz") as written:
        wrong = dict(written)
    if isinstance(label, str):
        np.savez(tmp_path / "y.npz", **wrong | {"classLabel": np.array("no such")})
        done = run(app, again)
        assert done.exit_code == 1
        assert "classLabel: DIFFERS" in done.output
    wrong["classLabel_probs"] = wrong["classLabel_probs"][::-1]
    np.savez(tmp_path / "y.npz", **wrong)
    assert run(app, again).exit_code == 1


def test_every_value_of_a_classifier_is_shown(classifier):
    records = list(open_package(classifier[0]).trace({"x": np.full((1, 3, 8, 8), 9.0)}))
    assert [record.op_type for record in records[-2:]] == ["classify", "classify"]
    assert np.all(records[-1].local_error <= records[-1].bound)
