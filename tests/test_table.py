"""``karat table``: the study's columns, the true counts beside them, and measurements that are what they say."""

import io
import json
import math
import statistics
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import random_model
from PIL import Image
from rich.console import Console
from skimage.data import astronaut
from test_light_install import WITHOUT_EXTRAS
from test_prune_count import SPARSITY, STUDY

import karat
from karat.app import cli
from karat.app.images import high_resolution
from karat.app.table import measure, rows, run
from karat.app.table.chart import spread
from karat.app.table.document import document_of
from karat.app.table.text import markdown, print_table
from karat.convert.export import coreml
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.load import file_of, load
from karat.refimpl.models import quicksrnet
from karat.refimpl.protocol import score
from karat.refimpl.prune import channels, count, heads, masked, removed, scores, weights

SMALL = "zoo:swinir-small-x2"
SHAPES = load(SMALL).architecture.parameter_shapes(load(SMALL).config)
UNSTRUCTURED = {"classical": 7_874_166, "lightweight": 609_802, "real-world": 7_824_683}
TRUE = {  # head by head: rows of qkv and their biases, columns of proj, a column of the bias table
    "classical": 36 * (3 * 30 * 180 + 3 * 30 + 30 * 180 + 225),
    "lightweight": 24 * (3 * 10 * 60 + 3 * 10 + 10 * 60 + 225),
    "real-world": 36 * (3 * 30 * 180 + 3 * 30 + 30 * 180 + 225),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    model = load(SMALL)
    fewer = heads.per_layer(model, scores.l1(model, "heads"))
    narrow = channels.per_layer(model, "hidden", scores.l1(model, "hidden"), 0.25)
    write_safetensors(folder / "tuned.safetensors", removed(model, fewer).parameters)
    write_safetensors(folder / "narrow.safetensors", removed(model, narrow).parameters)
    write_safetensors(folder / "masked.safetensors", masked(model, fewer).parameters)
    write_safetensors(folder / "sparse.safetensors", weights.pruned(model, 0.5).parameters)
    write_safetensors(folder / "quick.safetensors", random_model(quicksrnet.Config(4, 1, 2), 1).parameters)
    write_safetensors(folder / "x3.safetensors", random_model(quicksrnet.Config(4, 1, 3), 1).parameters)
    (folder / "inside").mkdir()
    (folder / "empty").mkdir()
    write_safetensors(folder / "inside" / "tuned.safetensors", removed(model, fewer).parameters)
    (folder / "pictures").mkdir()
    for left in (200, 260):
        Image.fromarray(astronaut()[100:148, left : left + 52]).save(folder / "pictures" / f"{left}.png")
    return folder


@pytest.fixture
def table(monkeypatch, capsys, folder):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(folder)

    def call(words):
        monkeypatch.setattr(sys, "argv", ["karat", "table", *words.split()])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return call


def studied(entries):
    """The study's columns of a table's JSON: (parameters, sparsity) of the head steps, and of single weights."""
    steps = [row for row in entries if row["technique"] in ("whole", "heads")]
    (single,) = [row for row in entries if row["technique"] == "weights"]
    columns = ([row[f"{what}_as_studied"] for row in steps] for what in ("parameters", "sparsity"))
    return *columns, single["parameters_as_studied"], single["sparsity_as_studied"]


def expected(name):
    return STUDY[name], SPARSITY[name], UNSTRUCTURED[name], 33


@pytest.mark.parametrize("name", STUDY)
def test_the_studys_columns_come_out_of_the_command(table, folder, name):
    code, out, err = table(f"{name} --counts-only --json {name}.json --markdown {name}.md")
    assert (code, err) == (0, "")
    document = json.loads((folder / f"{name}.json").read_text())
    assert studied(document["rows"]) == expected(name)
    steps = document["rows"][:7]
    assert [row["parameters_as_is"] for row in steps] == [STUDY[name][0] - TRUE[name] * step for step in range(7)]
    assert [row["built"] for row in steps] == [True] * 6 + [False]
    for text in (out, (folder / f"{name}.md").read_text()):
        for row in document["rows"]:
            line = next(line for line in text.replace("\\", "").splitlines() if row["label"] in line)
            for what in ("parameters_as_studied", "parameters_as_is"):
                assert row[what] is None or f"{row[what]:,}" in line
            assert f"{row['sparsity_as_is']:.2f}" in line
        assert "counted, not built" in text
        assert text.count("misprints; exact are 11,095,431 and 10,512,231") == (name == "real-world")


@pytest.mark.parametrize(
    "swap",
    [
        lambda row: replace(row, as_studied=row.as_is, as_is=row.as_studied or 0),
        lambda row: replace(row, as_studied=row.as_studied and row.as_studied - 90),  # biases taken along
        lambda row: replace(row, whole=row.whole + 1000),
    ],
)
@pytest.mark.parametrize("name", STUDY)
def test_a_wrong_column_is_caught(name, swap):
    right = rows.rows(rows.subject(name, structure=True), (64, 64))
    assert studied(document_of({}, right)["rows"]) == expected(name)
    assert studied(document_of({}, [swap(row) for row in right])["rows"]) != expected(name)


def test_counting_loads_neither_torch_nor_kernels(folder):
    words = ["karat", "table", "classical", "--counts-only", "--json", "light.json"]
    loaded = "print('loaded', {'torch', 'numba', 'PIL', 'skimage', 'matplotlib'} & set(sys.modules))"
    end = f"try:\n    main()\nexcept SystemExit as stopped:\n    print('code', stopped.code)\n{loaded}"
    program = f"{WITHOUT_EXTRAS}\nsys.argv = {words}\nfrom karat.app.cli import main\n{end}"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "code 0\nloaded set()" in done.stdout
    assert studied(json.loads((folder / "light.json").read_text())["rows"]) == expected("classical")


@pytest.mark.parametrize("name", [SMALL, "lightweight"])
def test_what_is_counted_is_what_is_built(name):
    size = (24, 40)
    found = rows.rows(rows.subject(name), size)
    assert [row.label for row in found] == [row.label for row in rows.rows(rows.subject(name, structure=True), size)]
    for row in found:
        if row.build:
            counted = count.counts(row.build(), size)
            assert (row.as_is, row.flops) == (counted.parameters - counted.zeros, counted.flops), row.label
    assert [row.label for row in found if not row.build] == [f"{2 if name == SMALL else 6} heads a layer *"]


def test_a_head_less_takes_as_many_flops_every_time():
    found = [row.flops for row in rows.rows(rows.subject("lightweight", structure=True), (16, 16))][:7]
    assert np.diff(found).tolist() == [found[1] - found[0]] * 6  # down to none, where nothing could be run


def test_networks_that_the_user_trained(folder):
    model, names = load(SMALL), ("tuned", "narrow", "masked", "sparse", "quick")
    found = rows.rows(model, (16, 16), tuple(folder / f"{name}.safetensors" for name in names))[-5:]
    one = count.head_steps(model)[1]
    assert [row.label for row in found] == list(names)
    assert {row.technique for row in found} == {"also"}
    assert [row.as_studied for row in found] == [one.as_studied, None, None, None, None]
    assert [row.as_is for row in found[:1]] + [found[2].as_is] == [one.as_is] * 2
    assert found[3].as_is == count.unstructured(model, 0.5).as_is
    assert found[4].as_is == count.parameters(load(folder / "quick.safetensors"))


def test_zeros_of_the_network_itself_are_counted(folder):
    model, size = load(SMALL), (24, 40)
    narrow = channels.per_layer(model, "hidden", scores.l1(model, "hidden"), 0.5)
    unstructured, hidden = weights.pruned(model, 0.33), masked(model, narrow)
    for network, left in ((unstructured, 82_561), (hidden, 87_548)):
        write_safetensors(folder / "zeros.safetensors", network.parameters)
        found = rows.rows(rows.subject(str(folder / "zeros.safetensors")), size)
        assert found[0].as_is == left == rows.rows(model, size, (folder / "zeros.safetensors",))[-1].as_is
        assert {row.as_studied for row in found} == {None}
        assert "as studied is left out" in " ".join(document_of({}, found)["notes"])
        for row in found:
            assert row.whole == count.parameters(model)
            if row.build:
                counted = count.counts(row.build(), size)
                assert (row.as_is, row.flops) == (counted.parameters - counted.zeros, counted.flops), row.label
        attention = [name for name in network.parameters if ".attn." in name and not name.endswith("proj.bias")]
        inside = sum(np.count_nonzero(network.parameters[n]) for n in attention if n in SHAPES)
        assert found[2].as_is == left - inside


def test_zeros_elsewhere_leave_the_studys_column(folder):
    parameters = dict(load(SMALL).parameters)
    parameters["conv_first.bias"] = np.zeros_like(parameters["conv_first.bias"])
    write_safetensors(folder / "zeros.safetensors", parameters)
    found, whole = (rows.rows(rows.subject(s), (8, 8)) for s in (str(folder / "zeros.safetensors"), SMALL))
    assert [row.as_studied for row in found] == [row.as_studied for row in whole]
    assert {row.as_is - other.as_is for row, other in zip(found, whole, strict=True)} == {
        -parameters["conv_first.bias"].size
    }


def test_networks_of_the_zoo_and_of_the_study_stand_beside(table, folder):
    code, _, err = table(f"lightweight --counts-only --also {SMALL} --also zoo:light-x2-test --json also.json")
    assert (code, err) == (0, "")
    *_, small, light = json.loads((folder / "also.json").read_text())["rows"]
    assert (small["label"], small["parameters_as_is"]) == ("swinir-small-x2", count.parameters(load(SMALL)))
    assert (light["label"], light["parameters_as_studied"]) == ("light-x2-test", 910_152)
    assert [row.trained for row in rows.rows(load(SMALL), (8, 8), (SMALL, "lightweight"))[-2:]] == [True, False]


def test_a_tiny_table(table, folder):
    """Every figure of the document against one taken another way."""
    options = "--size 32x32 --package-size 16x16 --repeat 3 --images pictures --power 12 --budget 2"
    files = "--json tiny.json --markdown tiny.md --svg tiny.svg --png tiny.png"
    code, out, err = table(f"{SMALL} {options} {files} --also tuned.safetensors")
    assert (code, "karat: " in err) == (0, False)  # on a new machine it says that kernels are compiled
    document, model = json.loads((folder / "tiny.json").read_text()), load(SMALL)
    labels = [row["label"] for row in document["rows"]]
    assert labels == [
        "whole network",
        "1 head a layer",
        "2 heads a layer *",
        "33 % of weights",
        "50 % of hidden",
        "tuned",
    ]
    networks = {
        "whole network": model,
        "1 head a layer": removed(model, heads.per_layer(model, scores.l1(model, "heads"))),
        "33 % of weights": weights.pruned(model, 0.33),
        "50 % of hidden": removed(model, channels.per_layer(model, "hidden", scores.l1(model, "hidden"), 0.5)),
        "tuned": load(folder / "tuned.safetensors"),
    }
    pictures = high_resolution(folder / "pictures").values()
    for row in document["rows"]:
        if row["label"] not in networks:
            assert (row["built"], set(row["blank"].values())) == (False, {measure.NO_ATTENTION})
            assert [row[entry] for entry in ("bytes", "psnr", "milliseconds", "inferences")] == [None] * 4
            continue
        network = networks[row["label"]]
        write_safetensors(folder / "again.safetensors", network.parameters)
        assert row["bytes"] == (folder / "again.safetensors").stat().st_size
        fast = karat.compile(network, threads=1)
        assert (row["psnr"], row["ssim"]) == tuple(np.mean([score(fast, hr, 2) for hr in pictures], axis=0))
        assert len(row["seconds"]) == 3
        assert row["milliseconds"] == 1e3 * statistics.median(row["seconds"])
        assert row["joules"] == statistics.median(row["seconds"]) * 12
        assert row["inferences"] == math.floor(2 * 3600 / row["joules"])
        assert row["blank"] == {}
        assert row["coreml_bytes"] > row["bytes"] / 2  # 16 bits a weight, and the program
    whole = document["rows"][0]
    assert document["rows"][1]["psnr"] == document["rows"][5]["psnr"] != whole["psnr"]
    assert document["rows"][1]["coreml_bytes"] == document["rows"][5]["coreml_bytes"] < whole["coreml_bytes"]
    assert document["command"].startswith(
        f"karat table {SMALL} --also tuned.safetensors --images pictures --size 32x32"
    )
    assert "stated, not measured" in out
    assert "energy: latency x 12 W" in out
    assert (folder / "tiny.md").read_text() == markdown(document)
    assert (folder / "tiny.svg").read_bytes().startswith(b"<?xml")
    with Image.open(folder / "tiny.png") as drawn:
        assert (drawn.format, drawn.width > 1000) == ("PNG", True)
    table_is_printed_at(document, 160, tables=1)
    table_is_printed_at(document, 80, tables=2)


NOTE = "Core ML larger than file"


def test_why_a_package_is_larger_is_said_where_one_is():
    found = rows.rows(load(SMALL), (8, 8))[:1]
    about = {"package_size": (8, 8), "repeat": 1, "threads": 1, "kernels": "", "images": ""}
    about |= {"machine": {"cpu": "", "load_average": 0}}
    for of_file, of_package, said in ((430, 990, 1), (430, 430, 0), (430, None, 0), (None, None, 0)):
        one = measure.Measured(found[0], bytes=of_file, coreml_bytes=of_package)
        notes = document_of(about, found, [one])["notes"]
        assert sum(note.startswith(NOTE) for note in notes) == said


def test_the_package_holds_what_the_note_names(tmp_path):
    """Weights, masks and position biases at two bytes a number, and at most 128 bytes of padding a parameter."""
    model, stored = load(SMALL), {}
    for side in (16, 32):
        package = coreml.export(model, tmp_path / f"{side}.mlpackage", (1, 3, side, side))
        stored[side] = next(package.rglob("weight.bin")).stat().st_size
    of_a_window = model.config.window**2
    assert stored[32] - stored[16] == 2 * of_a_window * (32**2 - 16**2)
    tables = sum(v.size for name, v in model.parameters.items() if name.endswith("bias_table"))
    biases = sum(block.heads for block in model.config.paths.values()) * of_a_window**2
    numbers = count.parameters(model) - tables + biases + of_a_window * 32**2
    assert 0 <= stored[32] - 2 * numbers <= 128 * len(SHAPES)


def table_is_printed_at(document, width, tables):
    """No line of the table is wider than the terminal, and no technique is broken."""
    console = Console(file=io.StringIO(), width=width)
    print_table(console, document)
    lines = console.file.getvalue().splitlines()
    lines = lines[: next(i for i, line in enumerate(lines) if line.startswith("* "))]
    assert max(map(len, lines)) <= width
    for row in document["rows"]:
        assert sum(line.startswith(row["label"]) for line in lines) == tables
    everything = "\n".join(lines)
    for title in ("PSNR", "Core ML", "inferences", "as studied", "as it is"):
        assert title in everything


def test_a_converter_that_fails_is_said_and_the_table_goes_on(monkeypatch, folder):
    def broken(*arguments):
        raise RuntimeError("no such operator")

    monkeypatch.setattr("karat.convert.export.coreml.export", broken)
    found = rows.rows(load(SMALL), (8, 8))[:1]
    conditions = measure.Conditions((8, 8), (8, 8), high_resolution(folder / "pictures"), repeat=1, gap=0)
    (one,) = measure.measure(found, conditions)
    assert one.blank == {"coreml_bytes": "the export failed: RuntimeError: no such operator"}
    assert one.bytes
    assert one.psnr


def test_untrained_weights_have_no_quality(monkeypatch, folder):
    monkeypatch.setattr(measure, "_sizes", lambda *arguments: None)
    found = rows.rows(load(SMALL), (8, 8), (folder / "tuned.safetensors",))
    conditions = measure.Conditions(
        (8, 8), (8, 8), high_resolution(folder / "pictures"), repeat=1, gap=0, trained=False
    )
    *pruned, tuned = measure.measure(found, conditions)
    assert {one.blank["psnr"] for one in pruned} == {measure.UNTRAINED, measure.NO_ATTENTION}
    assert tuned.psnr > 20
    about = {"package_size": (8, 8), "repeat": 1, "threads": 1, "kernels": "", "images": ""}
    about |= {"machine": {"cpu": "", "load_average": 0}}
    notes = document_of(about, found, [*pruned, tuned])["notes"]
    one, *_ = [note for note in notes if measure.UNTRAINED in note]
    assert (
        one
        == f"no PSNR and SSIM of whole network, 1 head a layer, 33 % of weights, 50 % of hidden: {measure.UNTRAINED}"
    )


def test_without_the_extra_only_the_packages_are_missing(folder):
    words = f"karat table {SMALL} --size 16x16 --repeat 1 --images pictures --json none.json".split()
    program = f"{WITHOUT_EXTRAS}\nsys.argv = {words}\nfrom karat.app.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, "karat: " in done.stderr) == (0, False)
    assert f"no Core ML: {measure.EXTRA}" in done.stdout
    entries = json.loads((folder / "none.json").read_text())["rows"]
    assert all(row["coreml_bytes"] is None for row in entries)
    assert all(row["psnr"] and row["milliseconds"] and row["bytes"] for row in entries if row["built"])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.2))
def test_labels_keep_their_order_and_do_not_touch(places, gap):
    moved = spread(places, gap)
    order = sorted(range(len(places)), key=places.__getitem__)
    apart = np.diff([moved[index] for index in order])
    assert np.all(apart >= gap - 1e-12)
    assert np.mean(moved) == pytest.approx(np.mean(places), abs=1e-12)
    if len(places) > 1 and np.all(np.diff([places[index] for index in order]) > gap):
        np.testing.assert_allclose(moved, places, atol=1e-12)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("zoo:nothing", "the zoo holds no 'nothing'"),
        ("nothing.pth", "nothing.pth"),
        ("quick.safetensors", "no Swin blocks"),
        ("zoo:quicksrnet-medium-x2-test --counts-only", "no Swin blocks"),
        ("masked.safetensors", "8 masked heads"),
        ("masked.safetensors", "karat prune masked.safetensors --from-plan PLAN -o NEW.safetensors"),
        ("light", "did you mean lightweight?"),
        ("swinir-small-x2", "did you mean zoo:swinir-small-x2?"),
        (f"{SMALL} --also lihgtweight", "did you mean lightweight?"),
        *[
            (f"{SMALL} --{option} {value}", f"expected 0.001 to {most}")
            for option, most in (("power", "100,000 watts"), ("budget", "1,000,000 watt hours"))
            for value in ("1e308", "1e-308", "1e-300", "0", "-1", "nan", "inf")
        ],
        (f"{SMALL} --also nothing.pth", "nothing.pth"),
        (f"{SMALL} --also x3.safetensors", "expected 3 channels x2"),
        (
            f"{SMALL} --also tuned.safetensors --also inside/tuned.safetensors",
            "two networks of --also are called tuned",
        ),
        (f"{SMALL} --size 8", "the size is '8'"),
        (f"{SMALL} --package-size 8x", "the size is '8x'"),
        (f"{SMALL} --power 0", "--power is 0"),
        (f"{SMALL} --power nan", "--power is nan"),
        (f"{SMALL} --budget inf", "--budget is inf"),
        (f"{SMALL} --repeat 0", "--repeat is 0"),
        (f"{SMALL} --threads 0", "--threads is 0"),
        (f"{SMALL} --images nothing", "nothing is no folder"),
        (f"{SMALL} --images empty", "holds no PNG or JPEG"),
        (f"{SMALL} --svg a.pdf", "ends in .svg or .png"),
        (f"{SMALL} --counts-only --png a.png", "drop one"),
        (f"{SMALL} --counts-only --images pictures", "drop one"),
        (f"{SMALL} --json a --markdown a", "given for two outputs"),
        (f"{SMALL} --svg a.svg --png a.svg", "given for two outputs"),
        (f"{SMALL} --json nowhere/a.json", "does not exist"),
        ("tuned.safetensors --json tuned.safetensors", "the input itself"),
        (f"{SMALL} --also tuned.safetensors --json tuned.safetensors", "the input itself"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_measured(table, folder, words, says):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = table(words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_drawing_needs_matplotlib(table, monkeypatch):
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    code, _, err = table(f"{SMALL} --svg a.svg")
    assert (code, err) == (2, "karat: drawings need matplotlib, which is not installed; run: pip install matplotlib\n")


@pytest.mark.parametrize(("source", "also"), [(SMALL, ()), ("lightweight", (SMALL,))])
def test_an_embedded_network_is_not_overwritten(source, also):
    """Only checked here, so that nothing is lost when it fails."""
    with pytest.raises(BadInput, match="the input itself"):
        run.Wanted(also=also, json=file_of(SMALL)).check(source)
