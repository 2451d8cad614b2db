"""What a pipeline is predicted to take: the schedule against the theory and against one that is played, memory by hand
and against real stages."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs
from torch import nn

from hasten import Task, Update
from hasten.base.records.layout import Layout, LayoutCost, LayoutPlan, Links, Nodes, StageMemory, StepMemory, StepTimes
from hasten.machine.facts import facts
from hasten.profiling.stepping import one_batch
from hasten.tasks.shakespeare import GPT, Size
from hasten.techniques.parallel.layouts import in_passes, pipelines
from hasten.techniques.parallel.pipeline_parallel import PER_PROCESS
from hasten.techniques.parallel.stages import Staging, staged
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.tuning.layouts import readings
from hasten.tuning.layouts.dry_run import dry_stages
from hasten.tuning.layouts.fake import on_fake_tensors
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.pipelines import TOLD_IN_GROUPS, pipeline_s, schedule_s, waiting_share
from hasten.tuning.layouts.predict import FILL, predict
from hasten.tuning.layouts.sending import Collective, all_reduce_s
from hasten.tuning.layouts.stages import stage_sizes, watched_stages
from hasten.tuning.layouts.time import SMALL_REDUCTIONS, communication, step_s

from tiny_tasks import block_task, cnn_task, mlp_task

MIB = 2**20
LINKS = Links(latency_s=1e-4, bytes_per_s=1e9, overlap=0.0)
TIMES = StepTimes(pass_s=0.01, sample_s=0.002, update_s=0.008, backward_share=0.6)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "BLOCK_S", 0.001)
    monkeypatch.setattr(readings, "ROUNDS", 2)


def stage(**fields: Any) -> StageMemory:
    """Return one of two equal stages."""
    plain = {
        "work": 0.5,
        "parameter_bytes": 50 * MIB,
        "gradient_bytes": 50 * MIB,
        "tied_bytes": 0,
        "held_bytes": MIB,
        "held_sample_bytes": 2 * MIB,
        "peak_bytes": 3 * MIB,
        "peak_sample_bytes": 4 * MIB,
        "sent_bytes": 0,
        "sent_sample_bytes": MIB,
        "input_sample_bytes": 0.5 * MIB,
    }
    return StageMemory(**plain | fields)  # type: ignore[arg-type]


LAST = stage(sent_sample_bytes=0)
MEMORY = StepMemory(
    parameter_bytes=100 * MIB,
    gradient_bytes=100 * MIB,
    state_bytes=200 * MIB,
    buffer_bytes=MIB,
    forward_bytes=0,
    forward_sample_bytes=0,
    passes_bytes=0,
    passes_sample_bytes=0,
    update_bytes=20 * MIB,
    groups=(100 * MIB,),
    stages=(stage(), LAST),
)


def pipeline(**fields: Any) -> Layout:
    """Return two stages and micro-batches of 2 of 8 samples."""
    plain = Layout(samples=8, micro_batch=2, replicas=1, shards=1, parts=1, stages=2, every=1)
    return structs.replace(plain, **fields)


@given(some.integers(2, 16), some.integers(1, 64), some.floats(0.0, 1.0))
def test_equal_stages_wait_as_long_as_theory_says(count: int, micro_batches: int, overlap: float) -> None:
    taken = schedule_s([1.0] * count, [0.0] * (count - 1), micro_batches, overlap)
    assert taken == pytest.approx(micro_batches + count - 1)
    stages = tuple(stage(work=1 / count) for _ in range(count))
    layout = pipeline(samples=micro_batches, micro_batch=1, stages=count)
    share = waiting_share(layout, structs.replace(MEMORY, stages=stages))
    assert share == pytest.approx((count - 1) / (micro_batches + count - 1))


def played_s(forward: Sequence[float], backward: Sequence[float], sent: Sequence[float], micro_batches: int) -> float:
    """Return the seconds of a schedule that is played, event by event; messages are sent beside computing."""
    count = len(forward)
    waiting = [_order(count, stage, micro_batches) for stage in range(count)]
    free, done = [0.0] * count, dict[tuple[str, int, int], float]()
    while any(waiting):
        for stage, steps in enumerate(waiting):
            while steps:
                kind, number = steps[0]
                source = stage - 1 if kind == "forward" else stage + 1
                arrived = 0.0
                if 0 <= source < count:
                    if (kind, number, source) not in done:
                        break
                    arrived = done[kind, number, source] + sent[min(stage, source)]
                free[stage] = max(free[stage], arrived) + (forward if kind == "forward" else backward)[stage]
                done[kind, number, stage] = free[stage]
                steps.pop(0)
    return max(free)


def _order(count: int, stage: int, micro_batches: int) -> list[tuple[str, int]]:
    """Return what a stage does: 1F1B, or all forward passes first where micro-batches are too few."""
    numbers = range(micro_batches)
    first = micro_batches if micro_batches < count else count - stage
    steps = [("forward", number) for number in numbers[:first]]
    for number in numbers:
        steps.append(("backward", number))
        steps += [("forward", later) for later in numbers[first + number : first + number + 1]]
    return steps


stage_times = some.lists(some.tuples(some.floats(0.7, 1.4), some.floats(1.0, 2.5)), min_size=2, max_size=8)


@given(stage_times, some.floats(0.0, 0.5), some.integers(1, 40))
def test_the_time_is_that_of_a_schedule_that_is_played(
    times: list[tuple[float, float]], message_s: float, micro_batches: int
) -> None:
    forward, backward = zip(*times, strict=True)
    sent = [message_s] * (len(times) - 1)
    played = played_s(forward, backward, sent, micro_batches)
    predicted = schedule_s([sum(one) for one in times], sent, micro_batches, 1.0)
    assert predicted == pytest.approx(played, rel=1e-9 if micro_batches < len(times) and len(set(times)) == 1 else 0.3)


@given(some.integers(2, 8), some.integers(1, 40), some.floats(0.5, 3.0))
def test_the_time_of_equal_stages_is_exactly_that_of_a_schedule_that_is_played(
    count: int, micro_batches: int, backward: float
) -> None:
    none = [0.0] * (count - 1)
    played = played_s([1.0] * count, [backward] * count, none, micro_batches)
    assert schedule_s([1.0 + backward] * count, none, micro_batches, 1.0) == pytest.approx(played)


def test_messages_take_time_in_every_turn_and_less_where_they_overlap() -> None:
    waiting, beside = (schedule_s([1.0, 1.0], [0.25], 5, overlap) for overlap in (0.0, 1.0))
    assert waiting == pytest.approx(2 + 2 * 0.25 + 4 * (1 + 2 * 0.25))
    assert beside == pytest.approx(2 + 2 * 0.25 + 4 * (2 + 2 * 0.25) / 2)
    assert schedule_s([1.0, 1.0], [0.25], 5, 0.5) == pytest.approx((waiting + beside) / 2)


def test_the_slowest_way_to_the_end_and_back_sets_the_pace_where_messages_are_beside_computing() -> None:
    taken = schedule_s([0.2, 1.0, 1.0], [0.5, 0.5], 9, 1.0)
    assert taken == pytest.approx(2.2 + 2 + 8 * (2 + 2 * 0.5) / 2)  # of the last two stages, for two micro-batches


def test_the_slowest_stage_sets_the_pace() -> None:
    assert schedule_s([1.0, 2.0], [0.0], 9, 0.5) == pytest.approx(3 + 8 * 2)


def test_only_the_borders_between_nodes_take_the_slow_link() -> None:
    four = structs.replace(MEMORY, stages=(*[stage(work=0.25)] * 3, structs.replace(LAST, work=0.25)))
    links = structs.replace(LINKS, nodes=Nodes(devices=2, latency_s=1e-2, bytes_per_s=1e8))
    fast, slow = 1e-4 + 2 * MIB / 1e9, 1e-2 + 2 * MIB / 1e8
    expected = schedule_s([0.25 * (0.01 + 2 * 0.002)] * 4, [fast, slow, fast], 4, 0.0)
    assert pipeline_s(pipeline(stages=4), TIMES, four, links) == pytest.approx(expected)


def test_memory_of_the_first_stage_holds_as_many_micro_batches_as_there_are_stages() -> None:
    own = (50 + 50 + 100 + 1) * MIB
    inputs, buffers = 8 * 0.5 * MIB, 8 * MIB  # gradients of activations
    assert memory_bytes(pipeline(), MEMORY) == own + inputs + buffers + ((1 + 4) + (3 + 8)) * MIB
    wide = structs.replace(MEMORY, stages=(stage(), structs.replace(LAST, peak_bytes=100 * MIB)))
    assert memory_bytes(pipeline(), wide) == own + inputs + buffers + (100 + 8) * MIB  # one at a time in the last


def test_fewer_micro_batches_than_stages_are_all_held() -> None:
    last = structs.replace(MEMORY, stages=(stage(), stage(), structs.replace(LAST, parameter_bytes=1000 * MIB)))
    layout = pipeline(samples=2, micro_batch=1, stages=3)
    beside = 3 + 4 + (2 - 1) * (1 + 2)
    assert memory_bytes(layout, last) == (1000 + 50 + 100 + 1 + 1 + 2 + beside) * MIB


def test_memory_of_groups_has_a_copy_of_the_gradients_in_place_of_activations() -> None:
    own = (50 + 50 + 100 + 1) * MIB
    assert memory_bytes(pipeline(replicas=2), MEMORY) == own + (4 + 8 + 50) * MIB
    tied = structs.replace(MEMORY, stages=(stage(tied_bytes=40 * MIB), structs.replace(LAST, tied_bytes=40 * MIB)))
    assert memory_bytes(pipeline(replicas=2), tied) == own + (4 + 8 + 40) * MIB


def test_more_micro_batches_hold_less() -> None:
    found = [memory_bytes(in_passes(one, size), MEMORY) for one in pipelines(2, 64)[:1] for size in (8, 4, 2, 1)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_a_pipeline_sends_activations_both_ways_and_gradients_where_groups_share_the_batch() -> None:
    three = structs.replace(MEMORY, stages=(stage(), stage(sent_bytes=MIB), LAST))
    found = communication(pipeline(stages=3), three)
    assert found.messages == ((2 * MIB, 4), (3 * MIB, 4))  # of the stage in the middle, which sends most
    assert found.sent_bytes == (8 + 8 + 4) * MIB
    assert found.all_reduces == ()
    tied = structs.replace(MEMORY, stages=(stage(tied_bytes=10 * MIB), structs.replace(LAST, tied_bytes=10 * MIB)))
    found = communication(pipeline(replicas=4), tied)
    assert found.all_reduces == (Collective(40 * MIB, 4, 1, apart=2), Collective(10 * MIB, 8, 1))


def test_a_step_is_its_passes_the_update_of_a_stage_and_what_is_sent() -> None:
    t, c = 0.01 + 2 * 0.002, 1e-4 + 2 * MIB / 1e9
    passes = t + 2 * c + 3 * (0.5 * t + 2 * c)
    small = SMALL_REDUCTIONS * all_reduce_s(8, 4, LINKS) + TOLD_IN_GROUPS * all_reduce_s(8, 2, LINKS)
    expected = passes + 0.5 * 0.008 + all_reduce_s(50 * MIB, 2, LINKS) + small
    assert step_s(pipeline(replicas=2), TIMES, MEMORY, LINKS) == pytest.approx(expected)


def test_samples_that_are_left_over_go_through_the_stages_alone() -> None:
    fast = structs.replace(LINKS, latency_s=0.0, bytes_per_s=1e18)
    nine, eight = (
        step_s(pipeline(samples=count), structs.replace(TIMES, update_s=0), MEMORY, fast) for count in (9, 8)
    )
    assert nine - eight == pytest.approx(0.01 + 0.002)
    assert waiting_share(pipeline(samples=9), MEMORY) > waiting_share(pipeline(samples=8), MEMORY)


@given(some.integers(2, 64), some.integers(1, 512), some.integers(1, 64))
def test_micro_batches_are_those_that_the_technique_makes(devices: int, batch_size: int, micro_batch: int) -> None:
    for one in pipelines(devices, batch_size):
        assert one.processes == devices
        for layout in (one, in_passes(one, micro_batch)):
            assert layout.micro_batch <= max(micro_batch, one.micro_batch)
            (choice,) = layout.choices
            asked = choice.knobs.get("micro_batches", 0) or PER_PROCESS * layout.stages
            assert layout.micro_batch == max(1, layout.samples // int(asked))
        assert in_passes(one, micro_batch).micro_batch <= max(1, micro_batch)


def gpt_task(**changes: Any) -> Task:
    return block_task(dropout=0.0, **changes)


def predicted(task: Task, **options: Any) -> LayoutPlan:
    chosen: dict[str, Any] = {"devices": 4, "links": LINKS, "memory_limit": 2**40} | options
    return predict(baseline(task), facts(), **chosen)


def pipeline_of(found: LayoutPlan) -> LayoutCost:
    (one,) = (one for one in found.costs if one.layout.stages > 1)
    return one


def wide_task(**changes: Any) -> Task:
    """A perceptron with more parameters than activations, that can be cut in many places."""

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(5, 300), *(nn.Sequential(nn.Linear(300, 300), nn.Tanh()) for _ in range(6)), nn.Linear(300, 2)
        )

    return mlp_task(model=model, **changes)


def test_the_fewest_stages_that_fit_are_taken() -> None:
    two = pipeline_of(predicted(wide_task()))
    assert (two.layout.stages, two.layout.replicas, two.why_not) == (2, 2, "")
    four = pipeline_of(predicted(wide_task(), memory_limit=round(0.95 * two.memory_bytes / FILL)))
    assert (four.layout.stages, four.layout.replicas, four.why_not) == (4, 1, "")
    assert four.memory_bytes < two.memory_bytes
    assert four.waiting is not None
    none = pipeline_of(predicted(wide_task(), memory_limit=round(0.5 * four.memory_bytes / FILL)))
    assert none.layout.stages == 4
    assert none.why_not.startswith("needs ")


def test_smaller_micro_batches_are_used_where_a_pipeline_does_not_fit() -> None:
    task = gpt_task(batch_size=32)
    roomy = pipeline_of(predicted(task, devices=2))
    tight = pipeline_of(predicted(task, devices=2, memory_limit=round(0.95 * roomy.memory_bytes / FILL)))
    assert (roomy.layout.micro_batch, tight.layout.micro_batch, tight.why_not) == (4, 2, "")
    assert tight.layout.choices[0].knobs["micro_batches"] == 16


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (lambda: cnn_task(), "a layer looks at the batch as a whole"),
        (lambda: mlp_task(model=lambda: nn.Linear(5, 2)), "2 stages need 1 places in the model"),
        (lambda: mlp_task(update=Update(optimizer="lion", lr=0.01)), "only torch's optimizers"),
    ],
)
def test_the_reason_is_told_where_there_is_no_pipeline(task: Any, why: str) -> None:
    found = pipeline_of(predicted(task()))
    assert why in found.why_not
    assert found.waiting is None


def tied_task() -> Task:
    """A GPT whose output layer has the weight of its embedding."""
    return block_task(model=lambda: GPT(11, Size(layers=2, width=16, heads=4, length=7, dropout=0.0)))


@pytest.mark.parametrize("task", [wide_task, gpt_task, tied_task])
def test_stages_have_all_parameters_of_the_model_and_those_without_memory_are_the_same(task: Any) -> None:
    layout, recipe = pipelines(2, 8)[0], baseline(task())
    staging, run = staged(recipe, 2), build(recipe)
    assert isinstance(staging, Staging)
    found = watched_stages(run, staging, one_batch(run), stage_sizes(layout))
    parameters = sum(one.nbytes for one in run.model.parameters())
    assert found[0].tied_bytes == found[1].tied_bytes == (4 * 11 * 16 if task is tied_task else 0)
    assert sum(one.parameter_bytes for one in found) == parameters + found[0].tied_bytes
    assert sum(one.work for one in found) == pytest.approx(1.0)
    assert found[-1].sent_sample_bytes == 0 < found[0].sent_sample_bytes
    assert all(0 < one.held_sample_bytes <= one.peak_sample_bytes for one in found[:-1])
    counted = dry_stages(layout, on_fake_tensors(task(), facts()))
    assert not isinstance(counted, str), counted
    for one, other in zip(found, counted, strict=True):
        assert structs.asdict(one) == pytest.approx(structs.asdict(other), rel=0.05)


def test_pipelines_of_what_does_not_fit_are_refused_with_the_reason() -> None:
    layout = pipelines(4, 8)[-1]
    why = dry_stages(layout, on_fake_tensors(mlp_task(model=lambda: nn.Linear(5, 2)), facts()))
    assert str(why).startswith("4 stages need 3 places in the model")
    why = dry_stages(layout, on_fake_tensors(mlp_task(update=Update(optimizer="lion", lr=0.01)), facts()))
    assert "only torch's optimizers" in str(why)
