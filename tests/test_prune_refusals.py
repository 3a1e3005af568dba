"""Plans, rates and scores that make no sense are refused in one sentence."""

import numpy as np
import pytest
from swinir_networks import network

from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet
from karat.refimpl.prune import Cut, Plan, channels, heads, masked, removed, scores, weights

PATH = "layers.0.residual_group.blocks.0"
KINDS = scores.KINDS
NAN = float("nan")
TWO = network("lightweight x3")[1]  # three heads of four channels, 24 hidden
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
        (lambda: removed(TWO, Plan({PATH: Cut(heads=(1, 1))})), "removed already"),
        (lambda: Plan({PATH: Cut(heads=(1,))}).joined(Plan({PATH: Cut(heads=(1,))})), "removed already"),
        (lambda: removed(TWO, Plan({"layers.7": Cut(heads=(1,))})), "layers.7 is no block"),
        (lambda: removed(TWO, Plan({PATH: Cut(hidden=tuple(range(24)))})), "all 24 hidden channels"),
        (lambda: removed(TWO, Plan({PATH: Cut(hidden=(24,))})), "hidden channel 24"),
        (lambda: removed(TWO, Plan({PATH: Cut(queries=((0,),))})), "channels of 1 heads under queries"),
        (lambda: removed(TWO, Plan({PATH: Cut(queries=((0,), (), (1,)))})), "keep 3, 4, 3 channels"),
        (lambda: removed(TWO, Plan({PATH: Cut(values=((0, 1, 2, 3), (), ()))})), "all 4 values channels of head 0"),
        (lambda: removed(SMALL_QUICK, Plan({})), "no Swin blocks"),
        (lambda: scores.l1(SMALL_QUICK, "heads"), "no Swin blocks"),
        (lambda: weights.pruned(SMALL_QUICK, 0.5), "no Swin blocks"),
        (lambda: heads.per_layer(TWO, L1["heads"], 3), "all 3 heads left"),
        (lambda: heads.per_layer(TWO, L1["heads"], 0), "0 heads"),
        (lambda: heads.globally(TWO, L1["heads"], 5), "5 units were to go and 4 can"),
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
    assert "expected" in str(error.value) or "ask for" in str(error.value)
