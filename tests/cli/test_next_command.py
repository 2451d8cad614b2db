"""The command to type next where a tuning has kept nothing."""

import msgspec
import pytest

from hasten.base.records.trial import Verdict
from hasten.base.stages import Guarantee
from hasten.cli.next_command import without_plan
from hasten.techniques.registry import technique
from hasten.tuning.trials import blank

from sample_evidence import make_evidence


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict.INCONCLUSIVE, "hasten tune gru.py --only ema,swa --budget 2m"),
        (Verdict.NOT_ALLOWED, "hasten tune gru.py --only ema,swa --allow trajectory"),
        (Verdict.NO_DIFFERENCE, "hasten profile gru.py"),
    ],
)
def test_no_plan_is_trained_where_none_was_found(verdict: Verdict, said: str) -> None:
    trial = msgspec.structs.replace(blank(technique("ema")(), verdict, "why"), guarantee=Guarantee.TRAJECTORY)
    tuning = msgspec.structs.replace(make_evidence().tuning, budget_s=30.0, trials=(trial,))
    assert without_plan("tune", "gru.py", tuning, only="ema,swa") == said
