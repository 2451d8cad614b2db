from collections.abc import Generator
from contextlib import contextmanager

import pytest

from hasten.training.building import build
from hasten.training.contexts import Contexts
from hasten.training.recipe import baseline

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
