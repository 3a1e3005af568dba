"""``karat prune``: what it writes is the network that the plan says, and what makes no sense is refused."""

import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from networks import random_model
from PIL import Image
from rich.console import Console
from safetensors import safe_open
from skimage.data import astronaut
from swinir_networks import network

from karat.app import cli
from karat.app.images import pieces
from karat.app.prune import choose
from karat.app.prune.run import run_prune
from karat.app.prune.wanted import Wanted
from karat.convert.training.gradients import gradients
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models import quicksrnet
from karat.refimpl.prune import Cut, Plan, channels, count, heads, masked, removed, scores, weights

PATH = "layers.0.residual_group.blocks.0"
BASE = network("lightweight x3")[1]  # two blocks of three heads of four channels, 24 hidden
RATES = st.sampled_from([None, 0.25, 0.5, 0.75])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prune")
    write_safetensors(folder / "net.safetensors", BASE.parameters)
    write_safetensors(folder / "quick.safetensors", random_model(quicksrnet.Config(4, 1, 2), 1).parameters)
    plan = Plan.from_json(json.dumps({path: {"heads": [2]} for path in BASE.config.paths}))
    (folder / "plan.json").write_text(plan.to_json())
    (folder / "nothing.json").write_text("{}")
    (folder / "text.json").write_text("no plan")
    (folder / "picture.json").write_bytes(b"\xff\xd8")
    (folder / "rest.json").write_text(json.dumps({path: {"heads": [0, 1]} for path in BASE.config.paths}))
    one = Plan({path: Cut(heads=(0, 1)) for path in BASE.config.paths})
    write_safetensors(folder / "one.safetensors", removed(BASE, one).parameters)
    one = Plan({path: Cut(hidden=tuple(range(1, 24))) for path in BASE.config.paths})
    write_safetensors(folder / "narrow.safetensors", masked(BASE, one).parameters)
    write_safetensors(folder / "removed.safetensors", removed(BASE, plan).parameters)
    write_safetensors(folder / "masked.safetensors", masked(BASE, plan).parameters)
    (folder / "pictures").mkdir()
    (folder / "empty").mkdir()
    for top in (100, 200):
        Image.fromarray(astronaut()[top : top + 36, 200:224]).save(folder / "pictures" / f"{top}.png")
    return folder


@pytest.fixture
def run(monkeypatch, capsys, folder):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(folder)

    def call(words):
        monkeypatch.setattr(sys, "argv", ["karat", "prune", *words.split()])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return call


def pruned(source, **options):
    """What the command writes with these options: (network, JSON document)."""
    with tempfile.TemporaryDirectory() as folder:
        output, report = Path(folder) / "out.safetensors", Path(folder) / "out.json"
        run_prune(Console(file=io.StringIO(), width=80), str(source), output, Wanted(**options, json=report), "16x24")
        return load(output), json.loads(report.read_text())


@given(st.sampled_from([None, 1, 2]), RATES, RATES, RATES, RATES, st.booleans(), st.booleans())
def test_removed_is_masked_and_as_large_as_said(take, hidden, queries, values, unstructured, globally, first):
    options = {"heads": take, "hidden": hidden, "queries": queries, "values": values}
    assume(any(value is not None for value in options.values()))
    globally = globally and (take is not None or hidden is not None)
    with tempfile.TemporaryDirectory() as folder:
        source, plan = Path(folder) / "net.safetensors", Path(folder) / "plan.json"
        write_safetensors(source, weights.pruned(BASE, 0.2).parameters if first else BASE.parameters)
        small, document = pruned(source, **options, globally=globally, plan=plan)
        zeros, _ = pruned(source, **options, globally=globally, masked=True)
        again, _ = pruned(source, from_plan=plan)
        sparse, counted = pruned(source, **options, globally=globally, unstructured=unstructured or 0.5)
        silent, _ = pruned(source, **options, globally=globally, unstructured=unstructured or 0.5, masked=True)
        model = load(source)
    x = np.random.default_rng(0).random((1, 3, 9, 7))
    expected = zeros(x)
    assert np.linalg.norm(small(x) - expected) <= 1e-12 * np.linalg.norm(expected)
    assert again.fingerprint == small.fingerprint
    expected = silent(x)
    assert np.linalg.norm(sparse(x) - expected) <= 1e-12 * np.linalg.norm(expected)
    assert zeros.config == model.config
    own = small.architecture.parameter_shapes(small.config)
    assert document["parameters_as_is"] == sum(int(np.count_nonzero(small.parameters[name])) for name in own)
    assert document["after"] == vars(count.counts(small, (16, 24)))
    for path, layer in document["layers"].items():
        block = small.config.paths[path]
        assert [layer[kind][1] for kind in ("heads", "queries", "values", "hidden")] == [
            block.heads,
            block.qk_width,
            block.v_width,
            block.hidden,
        ]
        assert layer["heads"][0] - len(layer["gone"]) == block.heads
    assert counted["after"]["zeros"] == counted["after"]["parameters"] - counted["parameters_as_is"]
    linear = [sparse.parameters[name] for name in weights.linear_weights(sparse)]
    whole = sum(value.size for value in linear)
    gone = sum(value.size - np.count_nonzero(value) for value in linear)
    assert gone == max(round((unstructured or 0.5) * whole), gone if first else 0)


def test_a_plan_carried_out_wrongly_is_caught(monkeypatch, folder):
    """The property above fails when the removed form cuts other heads than the masked one."""
    right = choose.plan_of

    def other(model, wanted, *tellers):
        plan, found = right(model, wanted)
        if wanted.masked:
            return plan, found
        rolled = {p: {"heads": [(h + 1) % 3 for h in cut.heads]} for p, cut in plan.cuts.items()}
        return Plan.from_json(json.dumps(rolled)), found

    monkeypatch.setattr("karat.app.prune.run.plan_of", other)
    x = np.random.default_rng(0).random((1, 3, 9, 7))
    small, zeros = (pruned(folder / "net.safetensors", heads=1, masked=m)[0] for m in (False, True))
    assert np.linalg.norm(small(x) - zeros(x)) > 1e-6 * np.linalg.norm(zeros(x))


def pairs_of(folder, side):
    pictures = [np.asarray(Image.open(path)).transpose(2, 0, 1) for path in sorted(folder.glob("pictures/*.png"))]
    return pieces(pictures, 3, side)


@pytest.mark.parametrize("kind", ["heads", "queries", "values", "hidden"])
@pytest.mark.parametrize("by", ["l1", "taylor", "sensitivity"])
def test_what_goes_is_what_scores_lowest(folder, by, kind):
    model = load(folder / "net.safetensors")
    pairs = pairs_of(folder, choose.SIDE)
    found = {
        "l1": lambda: scores.l1(model, kind),
        "taylor": lambda: scores.taylor(model, kind, gradients(model, pairs)),
        "sensitivity": lambda: scores.sensitivity(model, kind, pairs),
    }[by]()
    amount = 1 if kind == "heads" else 0.5
    expected = heads.per_layer(model, found) if kind == "heads" else channels.per_layer(model, kind, found, 0.5)
    images = {} if by == "l1" else {"images": folder / "pictures"}
    small, document = pruned(folder / "net.safetensors", by=by, **{kind: amount}, **images)
    assert Plan.from_json(json.dumps(document["plan"])) == expected
    assert document["by"] == by
    assert document["scores"] == {kind: {path: values.tolist() for path, values in found.items()}}
    assert small.fingerprint == removed(model, expected).fingerprint


@pytest.mark.parametrize("kind", ["heads", "queries", "values", "hidden"])
def test_learnt_importances_are_read_from_their_file(folder, tmp_path, kind):
    model, rng = load(folder / "net.safetensors"), np.random.default_rng(0)
    a = {path: rng.random(scores.unit_shape(block, kind)) for path, block in model.config.paths.items()}
    stored = tmp_path / "importances.safetensors"
    write_safetensors(stored, {f"{path}:{kind}": value for path, value in a.items()})
    amount = 1 if kind == "heads" else 0.5
    expected = heads.per_layer(model, a) if kind == "heads" else channels.per_layer(model, kind, a, 0.5)
    _, document = pruned(folder / "net.safetensors", by=str(stored), **{kind: amount})
    assert Plan.from_json(json.dumps(document["plan"])) == expected
    with pytest.raises(BadInput, match=f"holds no scores of {'hidden' if kind == 'heads' else 'heads'}"):
        pruned(folder / "net.safetensors", by=str(stored), **({"hidden": 0.5} if kind == "heads" else {"heads": 1}))


def test_scores_without_a_number_are_null_in_json(folder, monkeypatch):
    """Of a picture that the whole network gives exactly, every loss is infinite."""
    scored = {path: np.array([np.inf, -np.inf, *range(22)]) for path in BASE.config.paths}
    monkeypatch.setattr(choose, "l1", lambda model, kind: scored)
    _, document = pruned(folder / "net.safetensors", hidden=0.5)
    assert document["scores"]["hidden"][PATH] == [None, None, *range(22)]
    assert document["plan"][PATH]["hidden"] == list(range(1, 13))
    assert pruned(folder / "net.safetensors", unstructured=0.5)[1]["scores"] == {}


def test_a_removed_network_is_scored_further(folder):
    small, document = pruned(folder / "removed.safetensors", heads=1, by="taylor", images=folder / "pictures")
    assert {block.heads for block in small.config.paths.values()} == {1}
    assert all(layer["heads"] == [2, 1] for layer in document["layers"].values())


def test_scores_of_the_whole_network_are_compared(folder):
    model = load(folder / "net.safetensors")
    _, document = pruned(folder / "net.safetensors", heads=3, globally=True)
    assert Plan.from_json(json.dumps(document["plan"])) == heads.globally(model, scores.l1(model, "heads"), 3)


@pytest.mark.parametrize("kind", ["heads", "hidden"])
def test_taylor_scores_are_derivatives_of_the_loss(kind):
    """Of the golden network's, by central differences at two steps, whose difference bounds what they leave out."""
    rng, model = np.random.default_rng(3), load(dict(BASE.parameters))
    pairs = [(rng.random((1, 3, 8, 8)), rng.random((1, 3, 24, 24)) + 9) for _ in range(2)]  # no error changes its sign
    found = scores.taylor(model, kind, gradients(model, pairs))

    def loss(path, unit, t):
        a = {p: np.ones(len(found[p])) for p in found}
        a[path][unit] = t
        net = channels.folded(load({n: np.float64(v) for n, v in model.parameters.items()}), kind, a)
        return np.mean([np.abs(net(x) - y).mean() for x, y in pairs])

    for path, unit in ((PATH, 0), (PATH, 2), ("layers.0.residual_group.blocks.1", 1)):
        wide, narrow = ((loss(path, unit, 1 + h) - loss(path, unit, 1 - h)) / (2 * h) for h in (0.02, 0.01))
        rounding = 1e-12 * 9 / 0.01  # of losses near 9
        assert abs(abs(narrow) - found[path][unit]) <= abs(wide - narrow) + rounding
        assert found[path][unit] > rounding


def test_every_picture_counts_as_many_times_as_it_has_pixels():
    model = load(dict(BASE.parameters))
    pairs = pieces([astronaut()[:48, :72].transpose(2, 0, 1)], 3, 8)
    assert [small.shape for small, _ in pairs] == [(1, 3, 8, 8)] * 6
    each = [gradients(model, [pair])["layers.0.residual_group.blocks.0.mlp.fc2.weight"] for pair in pairs]
    both = gradients(model, pairs)["layers.0.residual_group.blocks.0.mlp.fc2.weight"]
    scale = np.mean(np.abs(each))
    np.testing.assert_allclose(both, np.mean(each, 0), rtol=0, atol=64 * np.finfo(np.float32).eps * scale * len(pairs))


def test_the_command_says_what_went(run, folder):
    code, out, err = run("net.safetensors -o out.safetensors --heads 1 --json out.json --plan out.plan.json")
    assert (code, err) == (0, "")
    for path in BASE.config.paths:
        assert out.count(f"{path} 2 of 3 ") == 1
    left = count.head_steps(load(folder / "net.safetensors"))[1]
    assert f"{left.as_is:,} as it is ({left.sparsity_as_is:.2f} % gone)" in out
    assert f"{left.as_studied:,} as the study counts ({left.sparsity_as_studied:.2f} % gone)" in out
    document = json.loads((folder / "out.json").read_text())
    assert document["parameters_as_studied"] == left.as_studied
    assert document["file_bytes"] == (folder / "out.safetensors").stat().st_size
    with safe_open(folder / "out.safetensors", "numpy") as file:
        said = file.metadata()
    assert Plan.from_json(said["pruned_plan"]) == Plan.from_json((folder / "out.plan.json").read_text())
    assert (said["pruned_from"], said["pruned_by"], said["pruned_form"]) == ("net.safetensors", "l1", "removed")
    assert said["pruned"] == "1 head of every layer by l1, removed"


def test_single_weights_go_and_nothing_else(folder):
    small, document = pruned(folder / "net.safetensors", unstructured=0.33)
    model = load(folder / "net.safetensors")
    left = count.unstructured(model, 0.33)
    assert small.fingerprint == weights.pruned(model, 0.33).fingerprint
    assert (document["plan"], document["by"], document["form"]) == ({}, None, None)
    assert (document["parameters_as_studied"], document["parameters_as_is"]) == (left.as_studied, left.as_is)


def test_what_the_study_does_not_count_is_left_out(folder):
    for options in ({"hidden": 0.5}, {"heads": 1, "unstructured": 0.5}, {"heads": 1, "values": 0.5}):
        assert pruned(folder / "net.safetensors", **options)[1]["parameters_as_studied"] is None


def test_named_heads_go(run, folder):
    code, _, err = run(f"net.safetensors -o named.safetensors --cut {PATH}:0,2 --hidden 0.5")
    assert (code, err) == (0, "")
    small = load(folder / "named.safetensors")
    assert [(b.heads, b.hidden) for b in small.config.paths.values()] == [(1, 12), (3, 12)]
    rows = BASE.parameters[f"{PATH}.attn.relative_position_bias_table"][:, 1:2]
    np.testing.assert_array_equal(small.parameters[f"{PATH}.attn.relative_position_bias_table"], rows)


def test_the_table_fits_80_columns(run):
    everything = "--heads 2 --hidden 0.5 --queries 0.25 --values 0.1 --unstructured 0.33"
    code, out, _ = run(f"zoo:light-x2-test -o light.safetensors {everything}")
    table = out.split("\n\n")[1].splitlines()
    assert code == 0
    assert len(table) == 1 + 24
    assert max(map(len, table)) <= 80


NET = "net.safetensors -o new.safetensors"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (NET, "nothing was asked to go"),
        (f"{NET} --heads 3", "all 3 heads left in"),
        (f"{NET} --heads 0", "0 heads of every layer"),
        (f"{NET} --heads 5 --globally", "5 heads were to go and 4 can"),
        *[
            (f"{NET} --{kind} {rate}", f"the rate is {float(rate)}")
            for kind in ("hidden", "queries", "values", "unstructured")
            for rate in ("0", "1", "1.5", "-0.5", "nan")
        ],
        (f"{NET} --hidden 0.001", "takes no channel"),
        (f"{NET} --unstructured 1e-9", "takes no weight"),
        (f"{NET} --heads 1 --by random", "--by is 'random'"),
        (f"{NET} --unstructured 0.5 --by taylor", "has nothing to score"),
        (f"{NET} --heads 1 --images pictures", "looks at no picture"),
        (f"{NET} --heads 1 --by taylor --images empty", "holds no PNG or JPEG"),
        (f"{NET} --heads 1 --by taylor --images nowhere", "nowhere is no folder"),
        (f"{NET} --queries 0.5 --globally", "--globally ranks"),
        (f"{NET} --unstructured 0.5 --plan p.json", "none of them is to go"),
        (f"{NET} --unstructured 0.5 --masked", "none of them is to go"),
        (f"{NET} --cut {PATH}", "expected BLOCK:HEAD"),
        (f"{NET} --cut {PATH}:3", "removed already"),
        (f"{NET} --cut {PATH}:0,1,2", "all 3 heads"),
        (f"{NET} --cut {PATH}:0,0", "named twice"),
        (f"{NET} --cut layers.7:0", "'layers.7' is no block"),
        (f"{NET} --cut {PATH}:0 --heads 1", "expected one of both"),
        (f"{NET} --from-plan plan.json --heads 1", "drop one"),
        (f"{NET} --from-plan nowhere.json", "nowhere.json cannot be read (No such file or directory)"),
        (f"{NET} --from-plan text.json", "text.json is no JSON, expected a cut by block path"),
        (f"{NET} --from-plan nothing.json", "names nothing that goes"),
        (f"{NET} --heads 1 --json new.safetensors", "given for two outputs"),
        (f"{NET} --from-plan plan.json --plan plan.json", "the input itself"),
        (f"{NET} --heads 1 --size 64", "the size is '64'"),
        ("net.safetensors -o new.pth --heads 1", "ends in .safetensors"),
        ("net.safetensors -o net.safetensors --heads 1", "the input itself"),
        ("net.safetensors -o nowhere/new.safetensors --heads 1", "does not exist"),
        ("nowhere.pth -o new.safetensors --heads 1", "nowhere.pth"),
        ("zoo:nothing -o new.safetensors --heads 1", "the zoo holds no 'nothing'"),
        ("quick.safetensors -o new.safetensors --heads 1", "no Swin blocks"),
        ("quick.safetensors -o new.safetensors --unstructured 0.5", "no Swin blocks"),
        (f"removed.safetensors -o new.safetensors --cut {PATH}:2", "removed already"),
        ("removed.safetensors -o new.safetensors --from-plan plan.json", "removed already"),
        (f"masked.safetensors -o new.safetensors --cut {PATH}:2", "masked already"),
        ("masked.safetensors -o new.safetensors --from-plan plan.json --masked", "masked already"),
        ("masked.safetensors -o new.safetensors --from-plan rest.json", "all 2 heads left in"),
        (f"{NET} --from-plan picture.json", "it is no text"),
        (f"{NET} --hidden 0.999", "a rate of 0.999 takes 24 of 24 hidden channels of"),
        (f"{NET} --queries 0.99", "a rate of 0.99 takes 4 of 4 query channels of every head of"),
        (f"{NET} --hidden 0.999 --globally", "a rate of 0.999 takes 48 of 48 hidden channels and 46 can go"),
        ("one.safetensors -o new.safetensors --heads 1", "the only head left in"),
        ("one.safetensors -o new.safetensors --heads 1 --globally", "1 head was to go and none can"),
        ("narrow.safetensors -o new.safetensors --hidden 0.5 --masked", "takes no channel"),
        ("masked.safetensors -o new.safetensors --heads 2", "all 2 heads left"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(run, folder, words, says):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = run(words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
