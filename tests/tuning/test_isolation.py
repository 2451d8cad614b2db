"""What hangs, crashes or needs too much memory is infeasible; what a killed tuning was doing is tried apart."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from hasten.base.records.card import Card
from hasten.base.records.known import Known
from hasten.base.records.sealed import load_sealed
from hasten.base.records.trial import Verdict
from hasten.training.recipe import Recipe, baseline
from hasten.tuning import timing
from hasten.tuning.begin import why_not_begun
from hasten.tuning.context import open_laboratory
from hasten.tuning.isolation import is_foreign, why_infeasible
from hasten.tuning.known import key_of
from hasten.tuning.search.ground import Infeasible
from hasten.tuning.selection import factors_of
from hasten.tuning.timing import Timing

from planted import MACHINE, NoPause, Nothing, Planted, card, small_task

BAD = Path(__file__).parent / "killed_tuning.py"


def hangs() -> None:
    while True:
        time.sleep(1)


def crashes() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def uses_up_the_memory() -> None:
    torch.empty(1 << 60)


def fails() -> None:
    raise RuntimeError("planted: raised again where the work is done")


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (hangs, "did not finish within 200 ms"),
        (crashes, "the process crashed (SIGSEGV)"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL, as where memory is short"),
        (lambda: os._exit(3), "ended itself with code 3"),
        (lambda: sys.exit(0), "ended itself with code 1"),
        (uses_up_the_memory, "memory"),
        (fails, None),
        (lambda: os.write(1, b"not seen"), None),
    ],
)
def test_work_that_cannot_be_done_here_says_why(
    work: Callable[[], object], said: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    limit_s = 0.2 if work is hangs else 20.0
    why = why_infeasible(work, limit_s=limit_s)
    assert (why is None) if said is None else (why is not None and said in why)
    assert capfd.readouterr().out == ""


class Doing(Planted):
    """Does something when its first step is made."""

    card: ClassVar[Card]

    @staticmethod
    def does() -> None: ...

    def apply(self, recipe: Recipe) -> Recipe:
        does = self.does

        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            def first(*args: Any) -> Any:
                does()
                return function(*args)

            return first

        return recipe.wrap(wrap)


@dataclass(frozen=True)
class Hangs(Doing):
    card: ClassVar[Card] = card("hangs")
    does = staticmethod(hangs)


@dataclass(frozen=True)
class Crashes(Doing):
    card: ClassVar[Card] = card("crashes")
    does = staticmethod(crashes)


@dataclass(frozen=True)
class UsesUpTheMemory(Doing):
    card: ClassVar[Card] = card("uses_up_the_memory")
    does = staticmethod(uses_up_the_memory)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param(Hangs(), "did not finish", marks=pytest.mark.slow),
        (Crashes(), "SIGSEGV"),
        (UsesUpTheMemory(), "memory"),
    ],
)
@pytest.mark.usefixtures("planted")
def test_a_technique_of_somebody_else_that_ends_the_process_is_infeasible(
    bad: Doing, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "is_foreign", is_foreign)
    chosen = [NoPause(), bad, Nothing()]
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=20.0)
    assert why_not_begun(lab) is None
    place = Timing(lab, chosen, factors_of(lab.machine, lab.hints, chosen), share=1.0)
    with pytest.raises(Infeasible) as error:
        place.ready(frozenset({0, 1, 2}))
    assert error.value.factors == {1}
    assert place.trials[1].verdict is Verdict.FAILED
    assert place.trials[1].reason.startswith("infeasible: ")
    assert said in place.trials[1].reason
    place.ready(frozenset({0, 2}))


@pytest.mark.parametrize("doing", [NoPause(), Crashes()])
@pytest.mark.usefixtures("planted")
def test_what_was_being_set_up_when_a_tuning_was_killed_is_tried_apart(
    doing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not timing.is_foreign(doing), "as if it were hasten's own"
    apart = list[object]()

    def noted(work: Callable[[], object], *, limit_s: float) -> str | None:
        apart.append(work)
        return why_infeasible(work, limit_s=limit_s)

    monkeypatch.setattr(timing, "why_infeasible", noted)
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    assert why_not_begun(lab) is None
    factors = factors_of(lab.machine, lab.hints, [doing, Nothing()])
    place = Timing(lab, [doing, Nothing()], factors, share=1.0, left_open=(key_of(doing),))
    place.ready(frozenset({1}))
    assert not apart
    if isinstance(doing, Crashes):
        with pytest.raises(Infeasible):
            place.ready(frozenset({0}))
        assert "SIGSEGV" in place.trials[0].reason
    else:
        place.ready(frozenset({0}))
    assert len(apart) == 1


def tuned_in_a_process(folder: Path, only: str, *, kill_after_blocks: int = 0) -> str:
    """Tune in a process; kill it when so many blocks are kept; return what it printed last."""
    command = [sys.executable, str(BAD), str(folder), only]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while kill_after_blocks and process.poll() is None:
        files = list((folder / "tuning").glob("*.json"))
        if files and len(load_sealed(Known, files[0]).blocks) >= kill_after_blocks:
            process.kill()
        time.sleep(0.05)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == (-signal.SIGKILL if kill_after_blocks else process.returncode)
    return (out.strip().splitlines() or [""])[-1] if process.returncode >= 0 else f"killed by {-process.returncode}"


@pytest.mark.slow
def test_a_killed_tuning_goes_on_from_its_blocks(tmp_path: Path) -> None:
    assert tuned_in_a_process(tmp_path, "no_pause,slower", kill_after_blocks=20) == "killed by 9"
    (path,) = (tmp_path / "tuning").iterdir()
    before = load_sealed(Known, path)
    assert "plan: no_pause;" in tuned_in_a_process(tmp_path, "no_pause,slower")
    after = load_sealed(Known, path)
    assert after.blocks[: len(before.blocks)] == before.blocks
    assert after.spent_s > before.spent_s


@pytest.mark.slow
def test_a_crash_ends_one_tuning_and_is_infeasible_in_the_next(tmp_path: Path) -> None:
    assert tuned_in_a_process(tmp_path, "no_pause,crashes") == f"killed by {int(signal.SIGSEGV)}"
    said = tuned_in_a_process(tmp_path, "no_pause,crashes")
    assert "plan: no_pause;" in said
    assert "infeasible: the process crashed (SIGSEGV) while it was set up" in said
