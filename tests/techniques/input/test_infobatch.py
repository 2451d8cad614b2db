"""Passing over learned samples: its choice, its weights, its place in the run."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hasten import Stop, Update
from hasten.base.errors import BadInput
from hasten.base.records.plan import Plan
from hasten.base.records.run import Evaluation
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.techniques.input.infobatch import Scores, losses_of_samples
from hasten.training.building import build
from hasten.training.checkpoint import header, load_checkpoint, save_checkpoint
from hasten.training.loop import train
from hasten.training.loss import CrossEntropy, SquaredError
from hasten.training.recipe import Recipe, baseline
from hasten.training.sampling import position_after
from hasten.training.schedule import Schedule
from hasten.training.session import Session
from hasten.training.step import step

from tiny_tasks import block_task, mlp_task, regression_task


def recipe(*, epochs: int = 8, **knobs: float) -> Recipe:
    schedule = Schedule(name="cosine", options={"final": 0.1})
    task = mlp_task(stop=Stop(epochs=epochs), update=Update(optimizer="adam", lr=1e-2, schedule=schedule))
    made = make("infobatch", dict(knobs))
    assert made.refuse(baseline(task), facts()) is None
    return made.apply(baseline(task))


def scores_of(run: Session) -> Scores:
    assert isinstance(run.sampling, Scores)
    return run.sampling


def steps(run: Session, count: int) -> list[tuple[float, list[int]]]:
    found: list[tuple[float, list[int]]] = []
    for ids, batch in run.batches():
        run.set_learning_rate()
        loss = step(run, batch)
        found.append((float(loss.sum), ids.tolist()))
        run.advance(len(ids), 0.0)
        if len(found) == count:
            break
    return found


def test_the_first_epoch_and_the_last_use_all_samples_and_others_fewer() -> None:
    run, used = build(recipe()), list[list[int]]()
    seen: dict[int, list[int]] = {}
    rates: dict[int, float] = {}
    for ids, batch in run.batches():
        run.set_learning_rate()
        rates[run.position.epoch] = run.optimizer.param_groups[0]["lr"]
        seen.setdefault(run.position.epoch, []).extend(ids.tolist())
        step(run, batch)
        run.advance(len(ids), 0.0)
        if run.position.epoch == 8:
            break
    used = [sorted(seen[epoch]) for epoch in range(8)]
    assert used[0] == used[7] == list(range(50))
    assert all(20 < len(set(ids)) == len(ids) < 50 for ids in used[1:7])
    assert rates[7] < 0.2 * rates[0]  # the rate falls to its end although there were fewer updates
    assert run.position.step < 8 * 7


def test_left_out_are_half_of_those_below_the_mean_and_the_others_count_double() -> None:
    known = Scores(10_000, ratio=0.5, annealing=0.9)
    known.begin(seed=0, epoch=0, progress=0.0)
    assert bool(known.kept().all())
    known.scores = torch.linspace(0, 1, 10_000)
    known.begin(seed=0, epoch=1, progress=0.1)
    low, high = known.weights[:5000], known.weights[5000:]
    assert bool((high == 1).all())
    assert set(low.tolist()) == {0.0, 2.0}
    assert float(known.weights.mean()) == pytest.approx(1, abs=0.02)
    known.begin(seed=0, epoch=2, progress=0.1)
    assert not torch.equal(known.weights[:5000], low)
    known.begin(seed=0, epoch=3, progress=0.95)
    assert bool((known.weights == 1).all())


def test_the_expected_gradient_is_that_of_all_samples() -> None:
    plain = build(baseline(mlp_task(batch_size=25)))
    run = build(recipe())
    known = scores_of(run)
    x, y = (torch.stack(column) for column in zip(*(run.recipe.task.data.train[i] for i in range(50)), strict=True))
    plain.loss(plain.predict((x, y)), (x, y)).sum.backward()
    each = losses_of_samples(CrossEntropy(), run.predict((x, y)), (x, y)).detach()
    total = [torch.zeros_like(one) for one in run.parameters]
    for epoch in range(400):
        known.scores = each.clone()
        known.begin(seed=0, epoch=epoch, progress=0.0)
        ids = known.kept().nonzero().flatten()
        known.expect(ids)
        batch = (x[ids], y[ids])
        loss = run.loss(run.predict(batch), batch).sum
        for sum_of, slope in zip(total, torch.autograd.grad(loss, list(run.parameters)), strict=True):
            sum_of += slope / 400
    for mean, one in zip(total, plain.parameters, strict=True):
        torch.testing.assert_close(mean, one.grad, rtol=0.05, atol=0.25)


def test_the_loss_that_is_shown_estimates_that_of_all_samples_and_parts_of_a_batch_find_their_weights() -> None:
    run = build(recipe())
    known = scores_of(run)
    ids, batch = next(run.batches())
    known.weights[ids[:3]] = 2.0
    each = losses_of_samples(CrossEntropy(), run.predict(batch), batch)
    known.expect(ids)
    whole = run.loss(run.predict(batch), batch).sum
    weights = known.weights[ids]
    torch.testing.assert_close(whole, (each * weights).sum() * len(ids) / weights.sum())
    expected = torch.autograd.grad((each * weights).sum(), list(run.parameters))
    known.expect(ids)
    parts = [tuple(column[start : start + 3] for column in batch) for start in (0, 3, 6)]
    sums = [run.loss(run.predict(part), part).sum for part in parts]
    found = torch.autograd.grad(sum(sums[1:], sums[0]), list(run.parameters))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(known.scores[ids], each.detach())


def test_goes_on_from_the_middle_of_an_epoch_bit_for_bit(tmp_path: Path) -> None:
    file, plan = tmp_path / "checkpoint", Plan(task="tiny", choices=())
    run = build(recipe())
    steps(run, 16)
    assert run.position.offset > 0
    save_checkpoint(run, header(run, plan), file)
    expected = steps(run, 20)
    other = build(recipe())
    load_checkpoint(other, header(other, plan), file)
    assert steps(other, 20) == expected


def test_losses_of_samples_add_up_to_the_loss() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    for loss, output, target in (
        (CrossEntropy(), draw(6, 4), torch.arange(6) % 4),
        (CrossEntropy(ignore_index=2), draw(6, 5, 4), torch.arange(30).view(6, 5) % 4),
        (CrossEntropy(), draw(6, 4, 5), torch.arange(30).view(6, 5) % 4),
        (CrossEntropy(), draw(6, 4), draw(6, 4).softmax(-1)),
        (SquaredError(), draw(6, 2, 3), draw(6, 2, 3)),
        (SquaredError(), draw(6, 1), draw(6, 1)),
    ):
        each = losses_of_samples(loss, output, (output, target))
        assert each.shape == (6,)
        for place in range(6):
            alone = loss(output[place : place + 1], (output, target[place : place + 1])).sum
            torch.testing.assert_close(each[place], alone)


def test_positions_behind_what_is_passed_over() -> None:
    places = torch.tensor([1, 2, 5])
    assert [position_after(places, 0, count, end=9) for count in (1, 2, 3)] == [2, 5, 9]
    assert position_after(places, 5, 1, end=9) == 9


def test_a_batch_with_other_rows_than_samples_is_refused() -> None:
    run = build(recipe())
    ids, batch = next(run.batches())
    scores_of(run).expect(ids[:-1])
    with pytest.raises(BadInput, match="one row for each"):
        run.loss(run.predict(batch), batch)


def test_a_run_of_a_number_of_updates_ends_when_the_data_have_come_round_as_often() -> None:
    run = build(make("infobatch").apply(baseline(mlp_task(stop=Stop(steps=8 * 7)))))
    list(train(run))
    assert run.position.epoch == 8
    assert run.position.step < 8 * 7


def test_refuses_runs_that_it_cannot_shorten() -> None:
    def reason(task: object) -> str:
        why = make("infobatch").refuse(baseline(task), facts())  # type: ignore[arg-type]
        assert why is not None
        return why

    assert "too short" in reason(mlp_task(stop=Stop(epochs=3)))
    assert "3.4 epochs is too short" in reason(mlp_task(stop=Stop(steps=24)))
    assert "ends by time only" in reason(mlp_task(stop=Stop(seconds=30)))
    assert "full-batch" in reason(mlp_task(batch_size=None, stop=Stop(epochs=8)))
    assert "needs cross-entropy; found OfMean" in reason(
        mlp_task(loss=lambda o, t: torch.nn.functional.cross_entropy(o, t))
    )
    assert make("infobatch").refuse(baseline(regression_task()), facts()) is None
    chosen = recipe()
    assert "already" in str(make("infobatch").refuse(chosen, facts()))


def test_trains_as_well_with_batches_made_ahead_and_in_parts() -> None:
    task = block_task(stop=Stop(epochs=12))
    chosen = [make("infobatch"), make("prefetch"), make("micro_batch", {"size": 3})]
    run = build(apply_all(chosen, baseline(task), facts()))
    last = [event for event in train(run) if isinstance(event, Evaluation)][-1]
    assert run.position.epoch == 12
    assert run.position.step < 12 * 5
    assert last.valid_loss is not None
    assert last.valid_loss < 0.5
