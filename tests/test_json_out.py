"""``--json -``: the result and nothing else on standard output, whatever the command."""

import inspect
import json
import sys

import pytest
from batch_cases import picture, run, tiny_network
from typer.main import get_command

from karat.app import cli

COMMANDS = get_command(cli.app).commands


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """``karat WORDS...`` in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def called(*words):
        monkeypatch.setattr(sys, "argv", ["karat", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return called


def test_every_command_that_reports_knows_standard_output():
    """A command that took its path elsewhere would write a file called -."""
    having = {name for name, command in COMMANDS.items() if any("--json" in p.opts for p in command.params)}
    takes = {name for name, command in COMMANDS.items() if "json" in inspect.signature(command.callback).parameters}
    assert having == takes == {"verify", "plan", "inspect", "zoo", "upscale", "prune", "table", "bench"}
    options = [p for name in having for p in COMMANDS[name].params if "--json" in p.opts]
    assert all(option.callback is not None for option in options)


@pytest.mark.parametrize("words", [("zoo",), ("zoo", "quicksrnet-small-x2")])
def test_the_result_alone_is_on_standard_output(call, tmp_path, words):
    code, out, err = call(*words, "--json", "-")
    _, plain, silent = call(*words)
    assert (code, silent) == (0, "")
    assert err == plain  # everything else, as it was
    assert {"name": "quicksrnet-small-x2"}.items() <= json.loads(out)[0].items()
    assert list(tmp_path.iterdir()) == []


def test_a_file_called_so_has_a_path(call, tmp_path):
    code, out, _ = call("zoo", "--json", tmp_path / "-")
    assert (code, "quicksrnet" in out) == (0, True)
    assert json.loads((tmp_path / "-").read_text())


def test_a_refusal_leaves_standard_output_empty(call):
    code, out, err = call("zoo", "nothing", "--json", "-")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_job_reports_on_standard_output(tmp_path, more):
    network = tiny_network(tmp_path)
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    out, err = run(tmp_path, "a.png", "b.png", "-o", "out", "--model", network, "--json", "-", *more, code=1)
    held = json.loads(out)
    assert [image["status"] for image in held["images"]] == ["planned" if more else "written", "failed"]
    assert "b.png is of no known type" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["a.png", "b.png", network.name, *([] if more else ["out"])]
    )
