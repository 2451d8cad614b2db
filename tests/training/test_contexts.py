from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from hasten import Task
from hasten.training.building import build
from hasten.training.contexts import Contexts
from hasten.training.evaluation import evaluate
from hasten.training.recipe import baseline
from hasten.tuning.rate.start import score, start_of
from hasten.tuning.screening.held_out_losses import ended

from tiny_tasks import mlp_task


def recorded(entries: list[str], name: str):
    @contextmanager
    def context() -> Generator[None]:
        entries.append(f"{name} on")
        try:
            yield
        finally:
            entries.append(f"{name} off")

    return context


def test_nested_blocks_enter_each_context_once_and_leave_in_reverse_order():
    entries: list[str] = []
    contexts = Contexts((recorded(entries, "a"), recorded(entries, "b")))
    with contexts, contexts:
        assert entries == ["a on", "b on"]
    assert entries == ["a on", "b on", "b off", "a off"]


def test_a_context_that_fails_to_start_leaves_none_on():
    entries: list[str] = []

    def failing():
        raise OSError("no such setting")

    contexts = Contexts((recorded(entries, "a"), failing))
    with pytest.raises(OSError, match="no such setting"), contexts:
        pass
    assert entries == ["a on", "a off"]
    with pytest.raises(RuntimeError, match="off"):
        contexts.required_by(abs)(-1)


def test_a_model_outside_its_contexts_is_an_error_and_no_silent_other_setting():
    entries: list[str] = []
    recipe = baseline(mlp_task()).with_context(recorded(entries, "a"))
    run = build(recipe)
    _, batch = next(run.batches())
    with pytest.raises(RuntimeError, match="with run.contexts"):
        run.predict(batch)
    with run.contexts:
        run.predict(batch)
    assert entries == ["a on", "a off"]


def own_evaluation(task: Task) -> Task:
    return replace(task, data=replace(task.data, valid=None), validate=lambda model: {"accuracy": 1.0})


@pytest.mark.parametrize("of_task", [lambda task: task, own_evaluation], ids=["held out", "own"])
@pytest.mark.parametrize("judge", [lambda start: evaluate(start.run), score, ended], ids=["evaluate", "score", "ended"])
def test_what_evaluates_a_session_puts_its_settings_on(
    judge: Callable[..., object], of_task: Callable[[Task], Task]
) -> None:
    entries: list[str] = []
    start = start_of(baseline(of_task(mlp_task())).with_context(recorded(entries, "a")), 0)
    entries.clear()
    judge(start)
    assert entries == ["a on", "a off"] * (len(entries) // 2)
    assert entries
