"""Two of every four weights at zero."""

import msgspec
import torch
from torch import nn

from hasten.base.records.machine import Gpu, Machine
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.model.semi_structured import two_of_four
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.transforms import Parameters, State, StepInfo

from tiny_tasks import mlp_task


def with_gpu(capability: tuple[int, int]) -> Machine:
    return msgspec.structs.replace(facts(), gpu=Gpu(name="a GPU", capability=capability, memory_bytes=1))


def layers() -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.Linear(64, 2)
    )


def test_masks_keep_the_two_largest_of_four() -> None:
    weight = torch.randn(8, 12)
    mask = two_of_four(weight).view(-1, 4)
    assert bool((mask.sum(1) == 2).all())
    fours = weight.abs().view(-1, 4)
    assert bool((fours.where(mask, torch.inf).amin(1) >= fours.where(~mask, 0).amax(1)).all())


def test_weights_are_in_the_pattern_from_its_beginning_on() -> None:
    recipe = baseline(mlp_task(model=layers))
    technique = make("semi_structured", {"begin": 0.5})
    assert technique.refuse(recipe, with_gpu((8, 0))) is None
    zeros: list[bool] = []

    class Look:
        """Runs after the masks are applied."""

        def init(self, parameters: Parameters) -> State:
            return {}

        def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
            zeros.append(bool((parameters["2.weight"].view(-1, 4) == 0).sum(1).eq(2).all()))

    run = build(technique.apply(recipe).with_post_step(Look()))
    list(train(run))
    half = len(zeros) // 2
    assert not any(zeros[: half - 1])
    assert all(zeros[half + 1 :])
    assert bool((run.model[5].weight != 0).all())  # the scores' layer stays dense


def test_refuses_where_no_gpu_can_use_the_zeros() -> None:
    for machine in (with_gpu((7, 5)), msgspec.structs.replace(facts(), gpu=None)):
        assert "8.0 or later" in str(make("semi_structured").refuse(baseline(mlp_task(model=layers)), machine))


def test_refuses_models_without_a_fitting_layer() -> None:
    assert "multiples of 64" in str(make("semi_structured").refuse(baseline(mlp_task()), with_gpu((9, 0))))
