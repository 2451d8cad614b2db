"""The process is as it was found."""

import gc
import os
import warnings

import numpy as np
import pytest
import torch

from hasten.base.seeds import random_state
from hasten.tuning.exact import fingerprint
from hasten.tuning.state import (
    MOST_COMPILATIONS,
    SETTINGS,
    deterministic,
    forget_compiled,
    many_compilations,
    untouched,
)


def disturb() -> None:
    torch.manual_seed(1)
    np.random.rand(3)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_float32_matmul_precision("medium")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    gc.disable()
    warnings.simplefilter("ignore")
    os.environ["HASTEN_PLANTED"] = "1"


def everything() -> list[object]:
    state = random_state()
    return [
        fingerprint(state["torch"]),
        state["python"],
        fingerprint(state["numpy"]["keys"]),
        state["numpy"]["position"],
        list(warnings.filters),
        *(read() for read, _ in SETTINGS),
    ]


def test_whatever_the_body_does_is_undone() -> None:
    before = everything()
    with untouched():
        disturb()
        assert everything() != before
    assert everything() == before


def test_also_when_the_body_fails() -> None:
    before = everything()
    with pytest.raises(RuntimeError, match="planted"), untouched():
        disturb()
        raise RuntimeError("planted")
    assert everything() == before


def test_deterministic_mode_is_on_inside_and_as_found_outside() -> None:
    before = everything()
    with deterministic():
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert everything() == before


def test_one_function_may_be_compiled_for_many_recipes_and_is_never_left_uncompiled() -> None:
    from torch._dynamo import config

    before = config.recompile_limit, config.fail_on_recompile_limit_hit
    with many_compilations():
        assert config.recompile_limit == MOST_COMPILATIONS > before[0]
        assert config.fail_on_recompile_limit_hit
    assert (config.recompile_limit, config.fail_on_recompile_limit_hit) == before


def test_forgetting_compiled_code_changes_no_result() -> None:
    compiled = torch.compile(lambda x: x * 2 + 1, backend="eager")
    x = torch.randn(5)
    first = compiled(x)
    forget_compiled()
    assert torch.equal(compiled(x), first)
