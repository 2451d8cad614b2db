"""A training that becomes NaN goes back to its last good checkpoint, and goes on without the batch that did it."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten import Data, Plan, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.run import Evaluation, Progress, RolledBack, StopReason
from hasten.report.terminal.training import rollback_text
from hasten.training import loop, saving
from hasten.training.building import build
from hasten.training.checkpoint import previous
from hasten.training.loss import Loss, read
from hasten.training.recipe import baseline
from hasten.training.rollback import Rollbacks
from hasten.training.run_folder import CHECKPOINT, read_events
from hasten.training.running import Trained, run_training
from hasten.training.step import step

from tiny_tasks import mlp_task

EMPTY = Plan(task="tiny")
STEPS, NAN, HUGE = 14, float("nan"), 1e30


def task(*bad: tuple[int, float], steps: int = STEPS) -> Task:
    """Batches of eight in order, of which some (step from 1, value) have bad numbers; with dropout and momentum."""
    x = torch.randn(STEPS * 8, 5, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    for number, value in bad:
        x[number * 8 - 8 : number * 8, 2] = value
    return mlp_task(
        data=Data(train=DataLoader(TensorDataset(x, y), 8), valid=TensorDataset(x[:8], y[:8])),
        model=lambda: nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)),
        update=Update(optimizer="momentum", lr=0.05),
        batch_size=8,
        stop=Stop(steps=steps, evaluate_every=STEPS),
    )


def linear(*bad: tuple[int, float]) -> Task:
    """The same without normalization, so that one huge number ruins the weights and the next loss shows it."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 2))

    return replace(task(*bad), model=model, update=Update(optimizer="sgd", lr=0.05))


def without(training: Task, steps: Iterable[int]) -> dict[str, Tensor]:
    """Return what the training ends with where some of its steps are not made."""
    run, left_out = build(baseline(training)), set(steps)
    for number, (ids, batch) in zip(range(1, STEPS + 1), run.batches(), strict=False):
        if number not in left_out:
            step(run, batch)
        run.advance(len(ids), 0.0)
    return run.model.state_dict()


def trained(training: Task, folder: Path, rollbacks: int = 3, **how: Any) -> tuple[Trained, list[object]]:
    shown = list[object]()
    show = how.pop("show", shown.append)
    return run_training(baseline(training), EMPTY, show=show, folder=folder, rollbacks=rollbacks, **how), shown


def same(one: nn.Module, weights: dict[str, Tensor]) -> bool:
    mine = one.state_dict()
    return all(torch.equal(mine[name], weights[name]) for name in weights)


@pytest.fixture(params=["saved after every step", "saved at the start", "reported after every step"])
def often(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How often checkpoints are saved and losses read, which must not change what is computed."""
    every_step = request.param != "saved at the start"
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0 if every_step else 1e9)
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0 if request.param == "saved after every step" else 1e9)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("bad", [(1,), (4,), (STEPS,), (4, 5), (3, 9)], ids=str)
def test_it_is_as_if_the_batches_had_never_been(bad: tuple[int, ...], tmp_path: Path) -> None:
    training = task(*((number, NAN) for number in bad))
    found, _ = trained(training, tmp_path)
    left_out = [4, 5, 3] if bad == (4, 5) else bad  # 5 follows on what is left out, so that one more goes
    assert found.result.reason is StopReason.STEPS
    assert same(found.model, without(training, left_out))
    assert all(value.isfinite().all() for value in found.model.state_dict().values())
    events, damaged = read_events(tmp_path)
    losses = [loss for event in events if isinstance(event, Progress) for loss in event.losses]
    assert damaged == []
    assert [number for number, loss in enumerate(losses, 1) if loss == 0.0] == sorted(left_out)
    assert len(losses) == STEPS
    assert sum(isinstance(event, RolledBack) and event.skipped is not None for event in events) >= 1


@pytest.mark.usefixtures("often")
def test_a_huge_number_is_found_where_it_was_and_not_where_it_shows(tmp_path: Path) -> None:
    training = linear((6, HUGE))
    found, shown = trained(training, tmp_path)
    stretches = [event.skipped for event in shown if isinstance(event, RolledBack)]
    assert stretches == [None, (7, 7), None, (6, 8)]  # the loss of step 7 shows it, then that of 8: one more before
    assert same(found.model, without(training, (6, 7, 8)))


class Rooted(nn.Module):
    """Its gradient is NaN where a feature is 0, and its loss is finite."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.scale = nn.Linear(5, 2), nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + (self.scale * x[:, 2:3].abs()).sqrt()


@pytest.mark.usefixtures("often")
def test_a_gradient_that_is_nan_is_found_in_its_step_although_the_loss_is_finite(tmp_path: Path) -> None:
    training = replace(task((6, 0.0)), model=Rooted, update=Update(optimizer="sgd", lr=0.05))
    found, shown = trained(training, tmp_path)
    assert [event.skipped for event in shown if isinstance(event, RolledBack)] == [None, (6, 6)]
    assert same(found.model, without(training, (6,)))


def test_what_was_done_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 1e9)
    found, shown = trained(task((4, NAN)), tmp_path)
    first, second = (event for event in shown if isinstance(event, RolledBack))
    assert (first.step, first.found_at, first.skipped, first.made, first.limit) == (0, STEPS, None, 1, 3)
    assert (second.step, second.found_at, second.skipped, second.made) == (0, 4, (4, 4), 1)
    assert rollback_text(first) == (
        "the loss of step 4 is not finite. Going back to the checkpoint of step 0, to look for the batch that did it "
        "(rollback 1 of 3)."
    )
    assert rollback_text(second) == (
        "the loss of step 4 is not finite: the batch of step 4 is left out. Going on from the checkpoint of step 0 "
        "(rollback 1 of 3)."
    )
    assert any(isinstance(one, Note) and one.text.startswith("1 step without an update") for one in shown)
    assert found.result.steps == STEPS
    times = [event.elapsed_s for event in shown if isinstance(event, Progress)]
    assert times == sorted(times)  # what is made again takes its time


@pytest.mark.usefixtures("often")
def test_after_the_limit_the_run_ends_with_its_last_good_weights(tmp_path: Path) -> None:
    training = task(*((number, NAN) for number in (5, 8, 11)))
    found, shown = trained(training, tmp_path, rollbacks=2)
    assert found.result.reason is StopReason.NON_FINITE
    assert any(isinstance(one, Note) and "has gone back 2 times already" in one.text for one in shown)
    again, _ = trained(training, tmp_path, rollbacks=3, resume=True)
    assert again.result.reason is StopReason.STEPS
    assert same(again.model, without(training, (5, 8, 11)))


def test_without_rollbacks_nothing_changes(tmp_path: Path) -> None:
    found, shown = trained(task((4, NAN)), tmp_path, rollbacks=0)
    assert found.result.reason is StopReason.NON_FINITE
    assert not any(isinstance(one, RolledBack) for one in shown)


def test_a_training_that_stays_finite_is_the_same_with_rollbacks(tmp_path: Path) -> None:
    found, _ = trained(task(), tmp_path)
    assert same(found.model, without(task(), ()))


class Killed(BaseException):
    """Ends a training between two events, as a kill does: nothing is saved any more."""


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("bad", [((5, NAN), (9, NAN)), ((6, HUGE),)], ids=["two", "huge"])
def test_killed_at_any_event_it_resumes_bit_for_bit(
    bad: tuple[tuple[int, float], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = linear(*bad)
    whole, shown = trained(training, tmp_path / "whole")
    monkeypatch.setattr(saving.Saving, "tell", lambda self, record: self._show(record))  # saves nothing at the end
    for moment in range(1, len(shown)):
        folder, seen = tmp_path / str(moment), list[object]()

        def show(event: object, seen: list[object] = seen, moment: int = moment) -> None:
            seen.append(event)
            if len(seen) == moment:
                raise Killed

        with pytest.raises(Killed):
            trained(training, folder, show=show)
        begun = (folder / CHECKPOINT).exists()
        again, _ = trained(training, folder, resume=begun)
        assert same(again.model, dict(whole.model.state_dict())), moment
        events = read_events(folder)[0]
        assert [loss for event in events if isinstance(event, Progress) for loss in event.losses] == [
            loss for event in read_events(tmp_path / "whole")[0] if isinstance(event, Progress) for loss in event.losses
        ]


def test_what_is_left_out_stays_so_when_it_resumes_without_rollbacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", 1e9)
    training = task((4, NAN))

    def show(event: object) -> None:
        if isinstance(event, RolledBack) and event.skipped is not None:
            raise Killed

    monkeypatch.setattr(saving.Saving, "tell", lambda self, record: self._show(record))
    with pytest.raises(Killed):
        trained(training, tmp_path, show=show)
    found, _ = trained(training, tmp_path, rollbacks=0, resume=True)
    assert same(found.model, without(training, (4,)))


def test_a_checkpoint_that_is_too_new_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch may show itself only in the step after the newest checkpoint; the one before that is taken."""
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    training = linear((6, HUGE))
    found, shown = trained(training, tmp_path)
    back = [event.step for event in shown if isinstance(event, RolledBack)]
    assert back[-1] == 5  # step 6 is finite and saved, but no place to go back to
    assert same(found.model, without(training, (6, 7, 8)))
    assert (tmp_path / previous(CHECKPOINT)).exists()


def test_where_what_did_it_is_older_than_all_checkpoints_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0)
    training = linear((6, HUGE))
    monkeypatch.setattr(Rollbacks, "found", lambda self, progress: (Rollbacks(made=1), 2))
    found, shown = trained(training, tmp_path)
    assert found.result.reason is StopReason.NON_FINITE
    assert any(isinstance(one, Note) and "no checkpoint of at most 2 steps" in one.text for one in shown)


def test_without_a_folder_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(BadInput, match="run folder"):
        run_training(baseline(task()), EMPTY, show=lambda event: None, rollbacks=1)
    with pytest.raises(BadInput, match="--autotune"):
        hasten.train(task(), autotune=True, rollbacks=1)
    with pytest.raises(BadInput, match="found -1"):
        hasten.train(task(), rollbacks=-1)


def test_the_verb_goes_back(tmp_path: Path) -> None:
    training = linear((6, HUGE))  # NaN in the data themselves is refused before the first step
    found = hasten.train(replace(training, stop=Stop(steps=8)), runs=tmp_path, rollbacks=2)
    assert found.result.reason is StopReason.STEPS
    assert found.result.steps == 8


@given(numbers=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_each_stretch_ends_where_it_showed_and_those_that_follow_double(numbers: list[int]) -> None:
    """What is left out only grows, and a batch that is found is never made again."""
    state, steps = Rollbacks(), sorted(set(numbers))
    for made, number in enumerate(steps, 1):
        report = Progress(step=number, epoch=0, elapsed_s=0.0, losses=(None,), samples_per_s=0.0)
        looking, most = state.found(report)
        assert (looking.made, looking.watched_until, looking.skipped, most) == (made, number, state.skipped, number - 1)
        after, most = looking.found(report)
        assert after.made == made
        assert after.skips(number)
        assert most == after.skipped[-1][0] - 1
        assert all(after.skips(one) for one in range(1, number) if state.skips(one))
        grown = after.steps_skipped - state.steps_skipped
        adjacent = state.skipped and state.skipped[-1][1] == number - 1
        assert grown >= 1 if adjacent else grown == 1
        state = after
    for first, last in state.skipped:
        assert 1 <= first <= last
    assert all(one[1] < other[1] for one, other in pairwise(state.skipped))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("as_mean", [True, False])
def test_no_loss_beside_others_changes_none(dtype: torch.dtype, as_mean: bool) -> None:
    values = torch.rand(3, generator=torch.Generator().manual_seed(0)).to(dtype)
    made = [Loss.of_mean(one, 7) if as_mean else Loss(one * 7, 7) for one in values]
    alone = read(made)
    sums, counts, means = read([made[0], Loss.of_nothing("cpu"), *made[1:]])
    assert (sums[1], counts[1], means[1]) == (0.0, 0.0, 0.0)
    assert [[*one[:1], *one[2:]] for one in (sums, counts, means)] == [*map(list, alone)]
    assert read([Loss.of_nothing("cpu")]) == ([0.0], [0.0], [0.0])


def test_evaluations_count_what_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    found, _ = trained(task((4, NAN)), tmp_path)
    (one,) = (event for event in read_events(tmp_path)[0] if isinstance(event, Evaluation))
    assert one.train_loss is not None
    assert one.valid_loss == found.result.final_valid_loss
