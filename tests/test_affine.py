"""The shift and scaling of colours, spelled in every honest way, and in dishonest ones."""

import pytest
from swinir_networks import network
from test_swinir_verify import picture

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.mil import open_package

NORMALISE = {
    "sub, mul": lambda x, mean, size: (x - mean) * size,
    "add of the negative": lambda x, mean, size: (x + -mean) * size,
    "add first": lambda x, mean, size: (-mean + x) * size,
    "real_div": lambda x, mean, size: (x - mean) / (1 / size),
    "scaled first": lambda x, mean, size: x * size - mean * size,
    "scaled first, add": lambda x, mean, size: x * size + -(mean * size),
    "divided first": lambda x, mean, size: x / (1 / size) - mean * size,
}
DENORMALISE = {
    "real_div, add": lambda y, mean, size: y / size + mean,
    "mul by the reciprocal": lambda y, mean, size: y * (1 / size) + mean,
    "sub of the negative": lambda y, mean, size: y / size - -mean,
    "shifted first": lambda y, mean, size: (y + mean * size) / size,
    "shifted first, mul": lambda y, mean, size: (y - -(mean * size)) * (1 / size),
}
WRONG_NORMALISE = {
    "sign": lambda x, mean, size: (x + mean) * size,
    "subtracted from": lambda x, mean, size: (mean - x) * size,
    "mean": lambda x, mean, size: (x - (mean + 0.002)) * size,
    "order of colours": lambda x, mean, size: (x - mean.flip(1)) * size,
    "range": lambda x, mean, size: (x - mean) * (size * 1.01),
    "divided instead": lambda x, mean, size: (x - mean) / (size * 2),
    "mean not scaled": lambda x, mean, size: x * (3 * size) - mean,
    "twice": lambda x, mean, size: (x - mean - mean) * size,
}
WRONG_DENORMALISE = {
    "sign": lambda y, mean, size: y / size + -mean,  # a constant of its own: see the last test
    "range": lambda y, mean, size: y / (size * 1.01) + mean,
    "multiplied instead": lambda y, mean, size: y * (2 * size) + mean,
    "mean scaled": lambda y, mean, size: (y + mean * 3) / size,
    "no mean": lambda y, mean, size: y / size,
}


def judged(tmp_path, form, step, spelling, precision, sidecar=True):
    """The verdict on a network with another spelling of a step; its numbers are float32, as a converter gets them."""
    net, model = network(form)
    before, mean = {}, net.mean.float()

    def recorder(name, value):
        if name == step:
            last = before["global_residual"] if step == "denormalise" and net.upsampler == "" else before["last"]
            return spelling(last, mean, float(net.img_range))
        before[name] = before["last"] = value
        return value

    net.recorder = lambda name, value: recorder(name.removeprefix(":"), value)
    net.conv_last.register_forward_hook(lambda module, inputs, output: before.update(last=output))
    x = picture(model, 8, 12)
    package = export(net, tmp_path / "m.mlpackage", x.shape, precision=precision)
    if not sidecar:
        package.with_suffix(".pairing.json").unlink()
    return verify(model, open_package(package), x)


FORMS = ["classical x2, 3conv", "classical x2, range 255", "JPEG, colour"]
LONG = pytest.mark.long  # one export takes three seconds
PACKAGES = [(FORMS[0], "float32"), (FORMS[1], "float16")]
PACKAGES += [pytest.param(FORMS[1], "float32", marks=LONG), pytest.param(FORMS[2], "float16", marks=LONG)]
CALLED = [(FORMS[1], True), pytest.param(FORMS[0], False, marks=LONG), pytest.param(FORMS[2], False, marks=LONG)]
# Rounded to float32 twice, as 1 / (1 / 255): in a float32 package these are off by an ulp, and called
TWICE = {"real_div", "divided first", "shifted first", "shifted first, mul"}


@pytest.mark.parametrize(("form", "precision"), PACKAGES)
@pytest.mark.parametrize("spelling", NORMALISE)
def test_an_honest_shift_is_not_blamed(tmp_path, form, spelling, precision):
    precision = "float16" if spelling in TWICE and form != FORMS[0] else precision
    verdict = judged(tmp_path, form, "normalise", NORMALISE[spelling], precision)
    assert verdict.faithful is True, verdict.summary()
    assert not verdict.ledger.untraced


@pytest.mark.parametrize(("form", "precision"), PACKAGES)
@pytest.mark.parametrize("spelling", DENORMALISE)
def test_an_honest_way_back_is_not_blamed(tmp_path, form, spelling, precision):
    precision = "float16" if spelling in TWICE and form != FORMS[0] else precision
    verdict = judged(tmp_path, form, "denormalise", DENORMALISE[spelling], precision)
    assert verdict.faithful is True, verdict.summary()
    assert not verdict.ledger.untraced


@pytest.mark.parametrize(("form", "sidecar"), CALLED)
@pytest.mark.parametrize("mistake", WRONG_NORMALISE)
def test_a_wrong_shift_is_called(tmp_path, form, mistake, sidecar):
    verdict = judged(tmp_path, form, "normalise", WRONG_NORMALISE[mistake], "float16", sidecar)
    assert verdict.faithful is False
    assert verdict.culprit.layer == ":normalise"


@pytest.mark.parametrize(("form", "sidecar"), CALLED)
@pytest.mark.parametrize("mistake", WRONG_DENORMALISE)
def test_a_wrong_way_back_is_called(tmp_path, form, mistake, sidecar):
    verdict = judged(tmp_path, form, "denormalise", WRONG_DENORMALISE[mistake], "float16", sidecar)
    assert verdict.faithful is False
    assert verdict.culprit.layer in (":denormalise", "conv_last"), verdict.summary()


def test_a_mean_that_the_converter_negates_is_called(tmp_path):
    """coremltools 9.0 fuses ``conv(x) - mean`` by negating the mean in place, also where x - mean reads it."""
    verdict = judged(tmp_path, FORMS[0], "denormalise", lambda y, mean, size: y - mean, "float16")
    assert verdict.culprit.layer == ":normalise"
    assert "is -0.4487" in verdict.culprit.note
