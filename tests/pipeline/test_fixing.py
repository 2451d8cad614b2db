"""Remedies are tried in pairs from the same seeds; one that is better in all of them and silences the rule cures."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import hasten
from hasten import Data, Stop, Task, Update
from hasten.base.records.dynamics import Dynamics, Evaluation
from hasten.base.records.finding import Diagnosis, Finding, Severity
from hasten.base.records.fix import Outcome
from hasten.base.records.health import Health
from hasten.diagnosis.remedies.catalog import REMEDIES
from hasten.pipeline import fixing
from hasten.pipeline.fix_diff import placed
from hasten.pipeline.fixing import CHOOSING, PAIRS, Subject, better, fix, quality

FOUND = Diagnosis(
    verdict="sick",
    findings=(
        Finding(symptom="exploding_gradient", severity=Severity.WARNING, sentence="", value=1, threshold=0, bound=None),
    ),
)


def health(loss: float | None, *, evaluated: bool = True) -> Health:
    evaluations = (Evaluation(step=5, loss=loss, batches=1),) if evaluated else ()
    return Health(name="loop", steps=5, dynamics=Dynamics(losses=(9.0, 3.0, 2.0, 1.0, loss), evaluations=evaluations))


def subject(loss: Callable[[int, str], float | None]) -> Subject:
    return Subject(lambda pair, remedy, whole: health(loss(pair, remedy)))


def outcomes(loss: Callable[[int, str], float | None]) -> dict[str, Outcome]:
    return {one.remedy: one.outcome for one in fix(subject(loss), FOUND, show=lambda record: None).tried}


def test_better_in_every_pair_and_silent_is_a_cure_and_ends_the_search() -> None:
    assert outcomes(lambda pair, remedy: 1.0 if remedy else 2.0) == {"clipping": Outcome.CURES}


def test_one_pair_that_is_not_better_is_no_help() -> None:
    def loss(pair: int, remedy: str) -> float:
        return 2.0 if remedy == "clipping" and pair == PAIRS else 1.0 if remedy else 2.0

    assert outcomes(loss) == {"clipping": Outcome.NO_HELP, "rate_x_0.1": Outcome.CURES}


def test_the_rate_is_chosen_from_a_start_of_its_own_and_confirmed_by_the_pairs() -> None:
    starts: dict[str, list[int]] = {}

    def loss(pair: int, remedy: str) -> float:
        starts.setdefault(remedy, []).append(pair)
        factor = REMEDIES[remedy].factor if remedy else 1.0
        return 3.0 if factor is None else 1.0 + abs(math.log10(factor / 0.0316))

    tried = fix(subject(loss), FOUND, show=lambda record: None).tried
    assert [one.remedy for one in tried] == ["clipping", "rate_x_0.0316"]
    assert tried[1].outcome is Outcome.CURES
    assert "the best of" in tried[1].what
    assert starts["rate_x_0.1"] == [CHOOSING], "one that is not best is tried once"
    assert starts["rate_x_0.0316"] == [CHOOSING, *range(1, PAIRS + 1), 1]
    assert CHOOSING not in range(1, PAIRS + 1)


def test_what_rounding_could_make_is_no_help() -> None:
    assert set(outcomes(lambda pair, remedy: 0.9999 if remedy else 1.0).values()) == {Outcome.NO_HELP}
    assert not better(-1.0005, -1.0)
    assert better(-1.01, -1.0)


def test_better_with_the_finding_still_there_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixing, "judged", lambda seen: FOUND)
    assert set(outcomes(lambda pair, remedy: 1.0 if remedy else 2.0).values()) == {Outcome.HELPS}


def test_any_finite_loss_is_better_than_none() -> None:
    tried = fix(subject(lambda pair, remedy: 1.0 if remedy else None), FOUND, show=lambda record: None).tried
    assert (tried[0].outcome, tried[0].plain, tried[0].ratio) == (Outcome.CURES, (None,) * PAIRS, None)


def test_a_remedy_that_cannot_be_made_is_not_tried_and_says_why() -> None:
    def run(pair: int, remedy: str, whole: bool) -> Health:
        failed = {"ClippedNorm": "Traceback\nLookupError: no gradients"} if remedy == "clipping" else {}
        return Health(name="loop", steps=5, dynamics=Dynamics(losses=(1.0 if remedy else 2.0,)), failed=failed)

    first, second = fix(Subject(run), FOUND, show=lambda record: None).tried
    assert (first.outcome, first.reason) == (Outcome.NOT_TRIED, "LookupError: no gradients")
    assert second.outcome is Outcome.CURES


def test_an_interrupted_training_of_a_script_ends_all(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    with pytest.raises(KeyboardInterrupt):
        fix(fixing.of_script(script, [], steps=5), FOUND, show=lambda _: None)


def test_without_evaluation_the_last_losses_judge() -> None:
    assert quality(health(4.0), evaluated=True) == 4.0
    assert quality(health(4.0, evaluated=False), evaluated=False) == 4.0
    assert quality(health(None, evaluated=False), evaluated=False) == float("inf")


def test_losses_that_were_not_read_are_not_taken_for_infinite_ones() -> None:
    found = Dynamics(losses=(9.0, 3.0, None, None, 2.0), thinned=((3, 4),))
    assert quality(Health(name="loop", steps=5, dynamics=found), evaluated=False) == 2.0


@pytest.mark.slow
def test_a_task_whose_rate_is_too_large_is_cured_by_a_lower_one() -> None:
    x = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x.sum(1) > 0).long())
    task = Task(
        name="steep", data=Data(train=data, valid=data), loss="cross_entropy", batch_size=32, stop=Stop(steps=40),
        model=lambda: nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)),
        update=Update(optimizer="sgd", lr=30.0),
    )  # fmt: skip
    found = hasten.diagnose(task, steps=40, fix=True)
    assert found.fix is not None
    assert Outcome.CURES in {one.outcome for one in found.fix.tried if (REMEDIES[one.remedy].factor or 1) < 1}


SCRIPT = """
import torch
net = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
for x, y in data:
    if x is not None:
        loss(net(x), y).backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("remedy", "line"),
    [
        ("rate_x_0.1", "+optimizer = torch.optim.SGD(net.parameters(), lr=0.05)\n"),
        ("clipping", "+        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)\n"),
        ("cleared", "+        optimizer.zero_grad()\n"),
    ],
)
def test_a_remedy_is_a_diff_where_its_place_is_clear(remedy: str, line: str) -> None:
    assert line in placed(SCRIPT, REMEDIES[remedy], file="train.py")


@pytest.mark.parametrize("remedy", ["rate_x_0.1", "clipping", "cleared"])
def test_where_it_is_not_clear_there_is_no_diff(remedy: str) -> None:
    twice = SCRIPT + SCRIPT.replace("net", "other")
    assert placed(twice, REMEDIES[remedy], file="train.py") == ""


@pytest.mark.slow
def test_a_script_is_cured_and_its_diff_printed(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = tmp_path / "train.py"
    script.write_text(
        "import torch\nfrom torch import nn\ntorch.manual_seed(0)\nx = torch.randn(256, 8)\ny = (x.sum(1) > 0).long()\n"
        "net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))\n"
        "optimizer = torch.optim.SGD(net.parameters(), lr=30.0)\nfor _ in range(40):\n    optimizer.zero_grad()\n"
        "    nn.functional.cross_entropy(net(x), y).backward()\n    optimizer.step()\n"
    )
    command = [sys.executable, "-m", "hasten", "diagnose", "--fix", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "cures" in done.stderr
    assert "+optimizer = torch.optim.SGD(net.parameters(), lr=" in done.stderr
