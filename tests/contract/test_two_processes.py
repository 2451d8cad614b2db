"""Each technique in two processes that average their gradients: their replicas stay the same, bit for bit.

A technique that cannot do it says so on its card: `exceptions["processes"]`.
"""

import json
from typing import Any

import pytest
import torch
from torch import multiprocessing
from two_processes import DIFFERENT, EQUAL, REFUSED, STEPS, work

from hasten.techniques.registry import techniques
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step

from contract_tasks import TASKS

NAMES = [name for name in sorted(techniques()) if name not in {"compile", "compile_regions"}]
"""What takes a compiler many seconds compiles code that knows nothing of processes."""
pytestmark = [pytest.mark.dist, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes found, once for all techniques."""
    folder = tmp_path_factory.mktemp("two")
    multiprocessing.spawn(work, args=(NAMES, str(folder)), nprocs=2)
    return json.loads((folder / "outcomes.json").read_text())


def test_two_processes_train_as_one_does_on_whole_batches(found: dict[str, Any]) -> None:
    assert found["outcomes"]["baseline"] == EQUAL
    run = build(baseline(TASKS[1]()))
    for _, (ids, batch) in zip(range(STEPS), run.batches(), strict=False):
        step(run, batch)
        run.advance(len(ids), 0.0)
    for one, theirs in zip(run.model.parameters(), found["weights"], strict=True):
        torch.testing.assert_close(one.detach().flatten(), torch.tensor(theirs), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_replicas_stay_the_same_or_the_card_says_why_not(name: str, found: dict[str, Any]) -> None:
    reason = techniques()[name].card.exceptions.get("processes")
    if found["outcomes"][name] == REFUSED:
        pytest.skip(f"{name} refuses every small task on this machine")
    if reason is None:
        assert found["outcomes"][name] == EQUAL
    else:
        assert found["outcomes"][name] == DIFFERENT, f"the card says {reason!r}, but replicas stayed the same"
