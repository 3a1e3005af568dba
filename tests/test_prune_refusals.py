"""Plans, rates and scores that make no sense are refused in one sentence."""

import numpy as np
import pytest
from swinir_networks import network

from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet
from karat.refimpl.prune import Cut, Plan, channels, count, heads, masked, removed, scores, weights

PATH = "layers.0.residual_group.blocks.0"
KINDS = scores.KINDS
NAN = float("nan")
TWO = network("lightweight x3")[1]  # three heads of four channels, 24 hidden
ONE = removed(TWO, Plan({path: Cut(heads=(1, 2)) for path in TWO.config.paths}))
L1 = {kind: scores.l1(TWO, kind) for kind in KINDS}
SMALL_QUICK = quicksrnet.identity(quicksrnet.Config(4, 1, 2))


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (lambda: removed(TWO, Plan({PATH: Cut(heads=(0, 1, 2))})), "all 3 heads of"),
        (lambda: masked(TWO, Plan({PATH: Cut(heads=(0, 1, 2))})), "all 3 heads of"),
        (lambda: removed(TWO, Plan({PATH: Cut(heads=(3,))})), "head 3 of .* not there"),
        (lambda: removed(removed(TWO, Plan({PATH: Cut((1,))})), Plan({PATH: Cut((2,))})), "removed already"),
        (lambda: removed(TWO, Plan({PATH: Cut(heads=(-1,))})), "head -1 of .* not there"),
        (lambda: removed(TWO, Plan({PATH: Cut(heads=(1, 1))})), "head 1 of .* named twice"),
        (lambda: Plan({PATH: Cut(heads=(1,))}).joined(Plan({PATH: Cut(heads=(1,))})), "named twice"),
        (lambda: removed(TWO, Plan({"layers.7": Cut(heads=(1,))})), "'layers.7' is no block"),
        (lambda: removed(TWO, Plan({PATH: Cut(hidden=tuple(range(24)))})), "all 24 hidden channels"),
        (lambda: removed(TWO, Plan({PATH: Cut(hidden=(24,))})), "hidden channel 24"),
        (lambda: removed(TWO, Plan({PATH: Cut(queries=((0,),))})), "has 1 list of query channels"),
        (lambda: removed(TWO, Plan({PATH: Cut(queries=((0,), (), (1,)))})), "keep 3, 4, 3 channels"),
        (lambda: removed(TWO, Plan({PATH: Cut(values=((0, 1, 2, 3), (), ()))})), "all 4 value channels of head 0"),
        (lambda: removed(SMALL_QUICK, Plan({})), "no Swin blocks"),
        (lambda: removed(ONE, Plan({PATH: Cut(heads=(0,))})), "the only head of"),
        (lambda: heads.named(ONE, {PATH: (0,)}), "the only head of"),
        (lambda: heads.per_layer(ONE, scores.l1(ONE, "heads"), 1), "the only head left in"),
        (lambda: heads.globally(ONE, scores.l1(ONE, "heads"), 1), "1 head was to go and none can"),
        (lambda: heads.globally(TWO, L1["heads"], 0), "0 heads were to go, expected at least 1"),
        (lambda: channels.globally(TWO, L1["hidden"], 0.99), "a rate of 0.99 takes 48 of 48 .* 46 can .* up to 0.958"),
        (
            lambda: channels.per_layer(TWO, "hidden", L1["hidden"], 0.99),
            "takes 24 of 24 hidden .* 23 can .* up to 0.958",
        ),
        (lambda: channels.per_layer(TWO, "values", L1["values"], 0.9), "takes 4 of 4 .* every head of .* up to 0.75"),
        (lambda: channels.per_layer(TWO, "queries", L1["queries"], 0.9), "takes 4 of 4 query channels"),
        (lambda: count.without_hidden(TWO, 0.99), "takes 24 of 24 units of a layer and 23 can go"),
        (lambda: removed(TWO, Plan({PATH: Cut(values=((9,), (), ()))})), "value channel 9 of head 0 of .* not there"),
        (lambda: channels.per_layer(TWO, "hidden", {}, 0.5), "scores of hidden channels of"),
        (lambda: scores.l1(SMALL_QUICK, "heads"), "no Swin blocks"),
        (lambda: weights.pruned(SMALL_QUICK, 0.5), "no Swin blocks"),
        (lambda: heads.per_layer(TWO, L1["heads"], 3), "all 3 heads left"),
        (lambda: heads.per_layer(TWO, L1["heads"], 0), "0 heads"),
        (lambda: heads.globally(TWO, L1["heads"], 5), "5 heads were to go and 4 can"),
        (lambda: heads.globally(TWO, L1["hidden"], 1), "expected shape"),
        (lambda: heads.globally(TWO, {}, 1), "hold nothing"),
        (lambda: heads.globally(TWO, {path: np.full(3, NAN) for path in TWO.config.paths}, 1), "not numbers"),
        (lambda: heads.named(TWO, {PATH: (5,)}), "removed already"),
        (lambda: channels.per_layer(TWO, "heads", L1["heads"], 0.5), "heads are no channels"),
        (lambda: channels.per_layer(TWO, "rows", L1["heads"], 0.5), "no units called 'rows'"),
        (lambda: scores.l1(TWO, "rows"), "no units called 'rows'"),
        (lambda: scores.taylor(TWO, "heads", {}), "gradients hold nothing"),
        (lambda: scores.taylor(TWO, "heads", {f"{PATH}.attn.proj.weight": np.zeros(3)}), "hold shape"),
        (lambda: scores.sensitivity(TWO, "heads", []), "no pictures"),
        (lambda: list(weights.rounds(0.5, 0)), "0 rounds"),
        (lambda: Plan.from_json("[1]"), "expected a cut by block path"),
        (lambda: Plan.from_json("[]"), "expected a cut by block path"),
        (lambda: Plan.from_json("{"), "expected a cut by block path"),
        (lambda: Plan.from_json('{"a": {"rows": []}}'), "expected a cut by block path"),
        (lambda: Plan.from_json('{"a": {"heads": [1.5]}}'), "expected a cut by block path"),
        (lambda: Plan.from_json('{"a": {"queries": [1]}}'), "expected a cut by block path"),
        (lambda: Plan.from_json('{"a": {"heads": 1}}'), "expected a cut by block path"),
        (lambda: Plan.from_json('{"a": {"heads": [1]}, "a": {"heads": [0]}}'), "names 'a' twice"),
        (lambda: Plan.from_json('{"a": {"heads": [1], "heads": [0]}}'), "names 'heads' twice"),
        (lambda: Plan.from_json("[" * 100_000), "is no JSON, expected a cut by block path"),
        (lambda: Plan.from_json('{"a":' * 100_000), "is no JSON, expected a cut by block path"),
        (lambda: Plan.from_json('{"a": {"heads": [' + "9" * 10_000 + "]}}"), "expected a cut by block path"),
        (lambda: Plan.from_json('{"a": {"heads": [' + "9" * 1_000 + "]}}"), "numbers of heads under 'a'"),
        (lambda: Plan.from_json('{"a": {"heads": [true, NaN]}}'), "numbers of heads under 'a'"),
        (lambda: Plan.from_json("{", "p.json"), "^p.json is no JSON"),
        *[
            (lambda rate=rate, take=take: take(rate), f"the rate is {rate}")
            for rate in (0, 1, -0.1, 1.5, NAN)
            for take in (
                lambda rate: channels.per_layer(TWO, "hidden", L1["hidden"], rate),
                lambda rate: channels.globally(TWO, L1["hidden"], rate),
                lambda rate: weights.pruned(TWO, rate),
                lambda rate: list(weights.rounds(rate, 2)),
            )
        ],
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(action, says):
    with pytest.raises(BadInput, match=says) as error:
        action()
    assert str(error.value).count(". ") == 0
    assert len(str(error.value)) < 300
    assert "expected" in str(error.value) or "ask for" in str(error.value)
