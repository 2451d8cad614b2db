"""The same on a GPU: what a CPU abstains from is measured there."""

from collections.abc import Callable

import pytest
import torch

from hasten.diagnosis.diagnose import diagnose
from hasten.machine.facts import facts
from hasten.profiling.profile import profile_in_depth
from hasten.training.recipe import baseline
from hasten.training.task import Task

MakeTask = Callable[..., Task]

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def test_a_profile_on_a_gpu_sees_the_queue_and_the_copies(make_task: MakeTask) -> None:
    found = profile_in_depth(baseline(make_task(), device="cuda"), facts(), budget_s=4.0)
    assert found.device == "cuda"
    assert sum(part.share for part in found.parts) == pytest.approx(1)
    assert found.seconds("transfer") > 0
    assert found.structure is not None
    assert found.structure.queue_empty_share is not None
    assert found.structure.sync_points == 0
    assert found.structure.fused_update is True
    assert found.memory is not None
    assert found.memory.reserved is not None
    assert found.memory.predicted_peak == pytest.approx(found.memory.measured_peak, rel=0.3)
    said = diagnose(found, facts())
    assert not {"h2d_bound", "sync_points", "host_bound"} & {one.symptom for one in said.abstained}


def test_reading_the_loss_in_the_step_is_counted_as_a_stop(make_task: MakeTask) -> None:
    def asking(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss = torch.nn.functional.cross_entropy(output, target)
        float(loss.detach())
        return loss

    found = profile_in_depth(baseline(make_task(loss=asking), device="cuda"), facts(), budget_s=2.0, ablations=())
    assert found.structure is not None
    assert found.structure.sync_points is not None
    assert found.structure.sync_points >= 1
