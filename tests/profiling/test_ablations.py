import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn, optim
from torch.utils.data import Dataset

from hasten.base.records.profile import PartTime, Profile
from hasten.base.records.record import Interval, to_json
from hasten.base.records.signals import Ablation, Loading
from hasten.machine.facts import facts
from hasten.profiling.ablations import (
    cached_batch,
    doubled_batch,
    fused_attention,
    no_logging,
    padded_products,
    skipped_update,
    thread_sweep,
)
from hasten.profiling.ablations.running import Kind, Measure, Measured, run_ablation
from hasten.profiling.ablations.saving import step_without
from hasten.profiling.operators import operator_times
from hasten.profiling.stepping import batches_in_turn, one_batch, set_aside_stop_rules
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.task import Data, Task, Update

MakeTask = Callable[..., Task]
WAIT_S = 4e-3


class SlowData(Dataset[Any]):
    def __init__(self, of: Dataset[Any]) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        time.sleep(WAIT_S / 32)
        return self.of[index]


class SlowForward(nn.Module):
    """Takes its time whatever the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        time.sleep(WAIT_S)
        return self.layer(inputs)


class SlowUpdate(optim.SGD):
    def step(self, closure: Any = None) -> Any:
        time.sleep(WAIT_S)
        return super().step(closure)


def ablated(task: Task, measure: Measure, *, step_s: float = WAIT_S, budget_s: float = 0.4) -> Ablation:
    run = build(baseline(task))
    set_aside_stop_rules(run)
    found = run_ablation(Kind("an ablation", "a suspect", measure), run, profile_of(step_s), facts(), budget_s=budget_s)
    assert found is not None
    return found


def profile_of(step_s: float) -> Profile:
    return Profile(
        task="t",
        plan=(),
        steps=1,
        step_s=Interval(value=step_s, low=step_s, high=step_s, n=2),
        samples_per_s=1.0,
        parts=(),
        parameters=1,
        peak_bytes=1,
        verdict="",
    )


def ratio(found: Ablation) -> Interval:
    assert found.ratio is not None, found.failed
    return found.ratio


def test_a_cached_batch_shows_what_waiting_for_data_costs(make_task: MakeTask) -> None:
    task = make_task()
    slow = make_task(data=Data(train=SlowData(task.data.train), valid=task.data.valid))
    found = ablated(slow, cached_batch.measure)
    assert ratio(found).value > 1.5
    assert found.step_s > WAIT_S
    assert found.sentence == f"Removing a suspect gives at most {ratio(found).high:.2f}x."


def test_steps_of_the_real_loop_count_where_the_loader_works_ahead(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps timed in turn with cached ones found the queue full: 0.07 s instead of 0.14."""
    in_turn = Measured(ratio=Interval(value=2.0, low=1.8, high=2.2, n=5), step_s=0.07)
    monkeypatch.setattr(cached_batch, "timed", lambda *sides, **settings: in_turn)
    run = build(baseline(make_task()))
    loading = Loading(sample_s=1e-3, batch_s=WAIT_S, cpu_share=1.0, read_bytes_per_s=None, workers=2)
    real = msgspec.structs.replace(profile_of(0.14), loading=loading)
    found = cached_batch.measure(run, real, facts(), budget_s=0.2)
    assert (found.step_s, found.ratio.value) == (0.14, pytest.approx(4.0))
    assert (found.ratio.low, found.ratio.high) == (pytest.approx(3.6), pytest.approx(4.4))
    assert cached_batch.measure(run, profile_of(0.14), facts(), budget_s=0.2) is in_turn


def test_a_doubled_batch_shows_what_a_step_costs_whatever_its_size(make_task: MakeTask) -> None:
    found = ratio(ablated(make_task(model=SlowForward), doubled_batch.measure))
    assert 1.3 < found.value < 3  # two steps wait twice, the doubled one once; the machine may be busy


def test_a_skipped_update_shows_what_the_optimizer_costs(make_task: MakeTask) -> None:
    task = make_task(update=Update(optimizer=lambda model: SlowUpdate(model.parameters(), lr=0.1), lr=None))
    assert ratio(ablated(task, skipped_update.measure)).value > 1.5


def test_the_loops_own_bookkeeping_costs_next_to_nothing(make_task: MakeTask) -> None:
    assert ratio(ablated(make_task(model=SlowForward), no_logging.measure)).low < 1.15  # the machine may be busy


def test_a_thread_sweep_leaves_torch_as_it_was(make_task: MakeTask) -> None:
    before = torch.get_num_threads()
    found = run_ablation(
        Kind("threads", "threads", thread_sweep.measure),
        build(baseline(make_task())),
        profile_of(1e-3),
        facts(),
        budget_s=0.1,
    )
    assert found is None or found.failed or found.detail.split()[0].isdigit()
    assert torch.get_num_threads() == before


def test_running_out_of_memory_is_what_the_ablation_says_and_the_session_lives_on(make_task: MakeTask) -> None:
    class Limited(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            if len(inputs) > 32:
                raise torch.OutOfMemoryError("tried to allocate too much")
            return self.layer(inputs)

    run = build(baseline(make_task(model=Limited)))
    kind = Kind("doubled_batch", "a step's fixed costs", doubled_batch.measure)
    found = run_ablation(kind, run, profile_of(1e-3), facts(), budget_s=0.2)
    assert found is not None
    assert found.ratio is None
    assert found.failed == "out of memory"
    assert msgspec.json.decode(to_json(found), type=Ablation) == found
    assert found.sentence == "doubled_batch could not be measured: out of memory"
    step(run, one_batch(run))


def test_a_step_too_long_for_the_budget_is_not_ablated(make_task: MakeTask) -> None:
    found = ablated(make_task(model=SlowForward), cached_batch.measure, budget_s=1e-3)
    assert found.ratio is None
    assert "three pairs would take" in found.failed


def test_pieces_that_get_faster_make_the_step_faster() -> None:
    half = Interval(value=2.0, low=1.8, high=2.2, n=9)
    whole = step_without([0.4, 0.2], [half, half])
    assert whole.value == pytest.approx(1 / (1 - 0.3))
    assert whole.low < whole.value < whole.high
    assert whole.n == 9


class SpelledOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Linear(16, 64 * 8)
        self.head = nn.Linear(8, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.tokens(inputs).view(len(inputs), 64, 8)
        return self.head(((x @ x.transpose(1, 2)).softmax(-1) @ x).mean(1))


def looked_at(task: Task) -> tuple[Session, Profile]:
    run = build(baseline(task))
    operators = operator_times(run, list(islice(batches_in_turn(run), 3))).operators
    total_s = sum(one.seconds for one in operators)
    parts = (PartTime(name="forward", seconds=total_s, share=1.0),)
    return run, msgspec.structs.replace(profile_of(total_s), operators=operators, parts=parts)


def test_attention_spelled_out_is_timed_beside_the_fused_kernel(make_task: MakeTask) -> None:
    run, profile = looked_at(make_task(model=SpelledOut))
    found = fused_attention.measure(run, profile, facts(), budget_s=0.3)
    assert found is not None
    assert found.detail == "32 heads of 64 x 64"
    assert 0.2 < found.ratio.value < 20
    run, profile = looked_at(make_task())
    assert fused_attention.measure(run, profile, facts(), budget_s=0.3) is None


def test_misaligned_products_are_timed_beside_padded_ones(make_task: MakeTask) -> None:
    model = lambda: nn.Sequential(nn.Linear(16, 509), nn.ReLU(), nn.Linear(509, 509), nn.Linear(509, 4))  # noqa: E731
    run, profile = looked_at(make_task(model=model))
    found = padded_products.measure(run, profile, facts(), budget_s=0.3)
    assert found is not None
    assert "509" in found.detail
    assert found.ratio.low <= found.ratio.value <= found.ratio.high
    run, profile = looked_at(make_task(model=lambda: nn.Linear(16, 8)))
    assert padded_products.measure(run, profile, facts(), budget_s=0.3) is None
