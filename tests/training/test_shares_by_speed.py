"""Processes of unequal speed get unequal shares, and compute what one process computes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.parallel.unequal import BATCH, Unequal, in_two, trained
from hasten.base.records.run import SharesChanged
from hasten.data.batch import size_of, tensors_of
from hasten.machine.facts import facts
from hasten.report.terminal.training import shares_text
from hasten.techniques.applying import apply_all
from hasten.techniques.input.augmentation import Augmentation
from hasten.techniques.input.prefetch import Prefetch
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.shares_by_speed import SharesBySpeed
from hasten.training.balance import MEASURED, Balance, balanced
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session

from tiny_tasks import cnn_task, mlp_task


@given(st.lists(st.tuples(st.integers(1, 60), st.floats(1e-4, 10.0)), min_size=1, max_size=6))
def test_shares_are_whole_samples_of_the_same_batch_and_never_slower(work: list[tuple[int, float]]) -> None:
    samples, sample_s = map(list, zip(*work, strict=True))
    seconds = [number * second for number, second in zip(samples, sample_s, strict=True)]
    found = balanced(samples, seconds)
    assert sum(found) == sum(samples)
    assert min(found) >= 1
    assert max(map(float.__mul__, map(float, found), sample_s)) <= max(seconds) * (1 + 1e-9)


@given(st.integers(2, 6), st.integers(6, 200), st.randoms())
def test_no_other_shares_are_faster(processes: int, batch: int, draw: object) -> None:
    sample_s = [draw.choice((0.5, 1.0, 3.0)) for _ in range(processes)]  # type: ignore[attr-defined]
    before = Processes(0, processes).sizes(batch, batch)
    found = balanced(before, [number * second for number, second in zip(before, sample_s, strict=True)])
    slowest = max(number * second for number, second in zip(found, sample_s, strict=True))
    fair = batch / sum(1 / second for second in sample_s)  # in parts of samples
    assert found == before or slowest <= fair + max(sample_s) + 1e-9


def test_a_small_gain_changes_nothing() -> None:
    assert balanced([32, 32], [1.0, 1.05]) == [32, 32]
    assert balanced([32, 32], [1.0, 3.0]) == [48, 16]


def test_a_part_of_the_time_that_stays_is_reached_in_a_few_looks() -> None:
    samples = [32, 32]
    for _ in range(6):
        samples = balanced(samples, [0.01 + samples[0] * 0.001, 0.01 + samples[1] * 0.003])
    assert samples == [48, 16]  # both take 0.058 s


def test_some_steps_between_two_looks_are_measured() -> None:
    for every in (5, 7, 10, 50):
        balance = Balance(every)
        between = [step for step in range(every) if balance.measures(step)]
        assert len(between) >= MEASURED
        assert balance.looks(every)
        assert not balance.looks(every - 1)
    assert not Balance(50).measures(0)  # the first step builds what later ones have


def of_process(recipe: Recipe, rank: int, size: int = 2) -> Recipe:
    processes = Processes(rank, size)
    made = apply_all([SharesBySpeed()], among(recipe, processes), facts())
    return in_processes(made)


def read(run: Session, changes: dict[int, tuple[float, ...]], steps: int) -> list[list[torch.Tensor]]:
    """Return the tensors of the share of each step; before some steps shares change."""
    found, batches = list[list[torch.Tensor]](), run.fetched()
    for step in range(steps):
        ids, fetched = next(batches)
        batch = run.training_batch(ids, fetched)
        found.append([] if batch is NOTHING else [one.clone() for one in tensors_of(batch)])
        run.advance(len(ids), 0.0)
        if step + 1 in changes:
            assert run.processes is not None
            run.processes = replace(run.processes, shares=changes[step + 1])
    batches.close()
    return found


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("augmented", [False, True])
def test_shares_may_change_in_the_middle_of_an_epoch(ahead: bool, augmented: bool) -> None:
    chosen = [*([Augmentation()] if augmented else []), *([Prefetch()] if ahead else [])]
    changes = {2: (3.0, 9.0), 3: (9.0, 3.0), 6: (6.0, 6.0)}
    plain = apply_all(chosen, baseline(cnn_task(batch_size=12)), facts())
    whole = read(build(plain), {}, 9)
    first, second = (
        read(build(of_process(apply_all(chosen, baseline(cnn_task(batch_size=12)), facts()), rank)), changes, 9)
        for rank in range(2)
    )
    assert [len(one[0]) for one in first] == [6, 6, 3, 9, 9, 9, 6, 6, 6]
    for together, mine, other in zip(whole, first, second, strict=True):
        for one, *parts in zip(together, mine, other, strict=True):
            assert torch.equal(one, torch.cat(parts))


def test_shares_are_saved_and_go_on_in_as_many_processes() -> None:
    run = build(of_process(baseline(mlp_task()), 0))
    assert run.processes is not None
    run.processes = replace(run.processes, shares=(6.0, 2.0))
    state = run.state()
    for processes, samples in ((2, 6), (4, 2)):
        again = build(of_process(baseline(mlp_task()), 0, processes))
        again.load_state(state)
        _, batch = next(again.fetched())
        assert size_of(batch) == samples


def test_what_cannot_be_measured_is_refused() -> None:
    def why(recipe: Recipe) -> str:
        return SharesBySpeed().refuse(recipe, facts()) or ""

    recipe = baseline(mlp_task())
    assert "one process alone" in why(recipe)
    pair = among(recipe, Processes(0, 2))
    assert why(pair) == ""
    assert why(Ddp().apply(pair)) == ""
    assert "no step can be measured" in why(Ddp(static_graph=True).apply(pair))
    assert "has none" in why(among(recipe, Processes(0, 9)))


def test_the_slow_process_is_named() -> None:
    text = shares_text(SharesChanged(step=50, samples=(48, 16), sample_s=(0.001, 0.003)))
    assert text.startswith("process 1 takes 3.00 times as long for a sample as process 0")
    assert "48, 16 samples of each batch" in text


@pytest.mark.dist
@pytest.mark.timeout(300)
@pytest.mark.parametrize("techniques", [(), ("ddp",)])
def test_the_slower_of_two_processes_computes_less_and_nothing_else_changes(techniques: tuple[str, ...]) -> None:
    training = Unequal(steps=30, techniques=techniques)
    alone, pair = trained(training, None, by_speed=False), in_two(training, by_speed=True)
    first, second = pair
    assert first["shares"] == second["shares"]
    assert all(sum(one) == BATCH for one in first["shares"])
    assert first["shares"][-1][1] < 24  # of 64; a third as fast, it should have 16
    assert torch.equal(first["parameters"], second["parameters"])
    for mine in pair:
        torch.testing.assert_close(mine["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mine["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)
