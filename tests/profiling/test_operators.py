from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hasten.base.records.signals import Operator
from hasten.profiling.operators import operator_times
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.task import Task

MakeTask = Callable[..., Task]


class Recomputing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(16, 64), nn.Tanh())
        self.head = nn.Linear(64, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(checkpoint(self.inner, inputs, use_reentrant=False))


def operators_of(task: Task) -> tuple[Operator, ...]:
    run = build(baseline(task))
    with run.contexts:
        return operator_times(run, list(islice(batches_in_turn(run), 3))).operators


def test_the_products_of_every_phase_are_there_with_their_shapes(make_task: MakeTask) -> None:
    found = operators_of(make_task(model=lambda: nn.Linear(16, 4)))
    forward = next(one for one in found if one.name == "aten.addmm")
    assert forward.phase == "forward"
    assert forward.shapes == ((4,), (32, 16), (16, 4))
    assert forward.calls == 1
    assert forward.seconds > 0
    assert forward.number_format == "float32"
    assert {"forward", "backward", "update"} <= {one.phase for one in found}
    assert any(one.name == "aten.mm" and one.phase == "backward" for one in found)
    assert sum(one.calls for one in found if one.phase == "update") > 4


def test_what_checkpointing_computes_again_is_recomputation(make_task: MakeTask) -> None:
    again = [one for one in operators_of(make_task(model=Recomputing)) if one.phase == "recomputation"]
    assert {"aten.addmm", "aten.tanh"} <= {one.name for one in again}
    plain = operators_of(make_task())
    assert not any(one.phase == "recomputation" for one in plain)


def test_the_longest_come_first_and_half_precision_is_told(make_task: MakeTask) -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return self.layer(inputs)

    found = operators_of(make_task(model=Half))
    assert [one.seconds for one in found] == sorted((one.seconds for one in found), reverse=True)
    assert {one.number_format for one in found if one.is_product} == {"bfloat16"}


def test_every_layer_has_its_time_forward_and_backward(make_task: MakeTask) -> None:
    run = build(baseline(make_task(model=lambda: nn.Sequential(nn.Linear(16, 512), nn.ReLU(), nn.Linear(512, 4)))))
    found = operator_times(run, list(islice(batches_in_turn(run), 3)))
    assert {"0", "1", "2", "(outside)"} <= set(found.layer_s)
    computing = sum(one.seconds for one in found.operators if one.phase in ("forward", "backward"))
    assert abs(sum(found.layer_s.values()) - computing) < 1e-9
