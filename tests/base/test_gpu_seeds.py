"""The generators of GPUs are part of the random state where a GPU was used, and only there."""

import pytest
import torch

from hasten.base.seeds import random_state, set_random_state


@pytest.mark.parametrize(
    ("available", "initialized", "saved"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_generators_of_a_gpu_are_saved_where_it_was_used(
    available: bool, initialized: bool, saved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialized)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["state of the GPU"])
    assert random_state().get("cuda") == (["state of the GPU"] if saved else None)


@pytest.mark.parametrize(
    ("in_state", "available", "restored"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_they_are_restored_where_there_is_a_gpu(
    in_state: bool, available: bool, restored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = random_state() | ({"cuda": ["state"]} if in_state else {})
    given: list[object] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.append)
    set_random_state(state)
    assert given == ([["state"]] if restored else [])
