"""The benchmark of removed work, on a picture of hardly any pixels: no time is asserted."""

import json
import sys

import pruned
import pytest

import karat
from karat.refimpl.prune import Plan, count, heads, scores


def test_it_runs_counts_and_draws(monkeypatch, capsys, tmp_path):
    files = ["--json", str(tmp_path / "a.json"), "--svg", str(tmp_path / "a.svg")]
    monkeypatch.setattr(sys, "argv", ["pruned.py", "--size", "8", "--repeat", "2", *files])
    monkeypatch.setenv("COLUMNS", "120")
    pruned.main()
    document = json.loads((tmp_path / "a.json").read_text())
    rows = {row["form"]: row for row in document["rows"]}
    assert list(rows) == [pruned.WHOLE, pruned.HEADS, pruned.HIDDEN, pruned.BOTH]
    whole = karat.load(pruned.NETWORK)
    assert rows[pruned.WHOLE]["parameters"] == 910152
    assert rows[pruned.HEADS]["parameters"] == count.head_steps(whole)[2].as_is
    assert rows[pruned.HIDDEN]["parameters"] == 910152 - 24 * 60 * (60 + 60 + 1)
    work = {name: row["multiply_adds"] for name, row in rows.items()}
    assert work[pruned.WHOLE] == sum(count.multiply_adds(whole, (8, 8)).values())
    assert work[pruned.WHOLE] - work[pruned.HIDDEN] == 24 * 64 * 60 * (60 + 60)
    assert work[pruned.WHOLE] - work[pruned.HEADS] == 24 * 64 * (20 * 60 * 4 + 2 * 20 * 64)
    assert work[pruned.WHOLE] + work[pruned.BOTH] == work[pruned.HEADS] + work[pruned.HIDDEN]
    assert {name: row["mark"] for name, row in rows.items() if row["mark"]} == {pruned.HEADS: 1.12, pruned.HIDDEN: 1.15}
    assert all(len(row["seconds"]) == 2 for row in rows.values())
    drawn, printed = (tmp_path / "a.svg").read_text(), capsys.readouterr().out
    for name in rows:
        assert name in printed
        assert name in drawn or name == pruned.WHOLE
    assert "load average" in printed


@pytest.mark.parametrize(("seconds", "share"), [(1.0, 0), (0.8, 100), (0.9, 50)])
def test_removed_work_is_compared_with_removed_time(seconds, share):
    whole = {"median_seconds": 1.0, "multiply_adds": 100, "times_as_fast": 1.0, "times_less_work": 1.0}
    whole |= {"mark": None, "form": "a"}
    row = whole | {"median_seconds": seconds, "multiply_adds": 80, "times_as_fast": 1 / seconds, "mark": 1.12}
    assert pruned.became_time(row, whole) == pytest.approx(share)
    assert pruned.became_time(whole, whole) is None
    assert pruned.cells(row, whole)[-1] == ("1.12 x: met" if share == 100 else "1.12 x: missed")


def test_a_network_that_computes_something_else_is_not_timed(monkeypatch):
    model = karat.load(pruned.NETWORK)
    plan = heads.per_layer(model, scores.l1(model, "heads"), 2)
    pruned.assert_same_picture(model, plan)
    monkeypatch.setattr(pruned, "masked", lambda model, plan: pruned.removed(model, Plan({})))
    with pytest.raises(AssertionError):
        pruned.assert_same_picture(model, plan)
