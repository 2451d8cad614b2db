"""Out of memory: the training goes on in parts of each batch that fit, or the message says what would fit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hasten
from hasten import Stop, Task
from hasten.base.errors import TrainingFailed
from hasten.base.records.notices import Note
from hasten.base.records.run import Evaluation, Started
from hasten.training import loop, saving
from hasten.training.run_folder import read_events

from tiny_tasks import cnn_task, mlp_task


class Large(nn.Module):
    """Runs out of memory with more than some samples, from a training step on."""

    def __init__(self, model: nn.Module, fits: int, error: BaseException, after: int) -> None:
        super().__init__()
        self.model, self.fits, self.error, self.after, self.steps = model, fits, error, after, 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        if self.training and len(x) > self.fits and self.steps > self.after:
            raise self.error
        return self.model(x)


ON_GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
ON_CPU = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def large(task: Task, *, fits: int, error: BaseException = ON_GPU, after: int = 0, **changes: Any) -> Task:
    from dataclasses import replace

    model = task.model
    return replace(task, model=lambda: Large(model(), fits, error, after), **changes)


def trained(task: Task, runs: Path | None) -> tuple[list[Tensor], list[str]]:
    notes = list[str]()
    found = hasten.train(
        task, runs=runs, show=lambda event: notes.append(event.text) if isinstance(event, Note) else None
    )
    return [one.detach() for one in found.model.parameters()], notes


@pytest.mark.parametrize("error", [ON_GPU, ON_CPU], ids=["GPU", "CPU"])
@pytest.mark.parametrize("saved", [False, True])
def test_half_as_many_samples_at_once_train_the_same(
    error: BaseException, saved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(saving, "CHECKPOINT_EVERY_S", -1.0 if saved else 1e9)
    task = mlp_task(batch_size=16, stop=Stop(steps=12))
    found, notes = trained(large(task, fits=5, error=error, after=5), tmp_path)
    whole, _ = trained(task, None)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)
    out_of_memory = [note for note in notes if "out of memory" in note]
    assert [size for size in (8, 4) for note in out_of_memory if f"with {size} samples at once" in note] == [8, 4]
    assert ("resuming" if saved else "starting again") in out_of_memory[0]
    (folder,) = tmp_path.iterdir()
    steps = [event.step for event in read_events(folder)[0] if not isinstance(event, Started | Evaluation)]
    assert steps == sorted(steps)


def test_what_would_fit_is_named_where_a_batch_has_no_parts(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"(?s)12 samples at once, .*in parts: .*batch size of 6 needs about half"):
        trained(large(cnn_task(), fits=8, after=0), tmp_path)


def test_one_sample_that_does_not_fit_is_said() -> None:
    with pytest.raises(TrainingFailed, match="Out of memory|out of memory"):
        trained(large(mlp_task(batch_size=2), fits=0), None)


def test_another_error_is_no_matter_of_memory(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="planted") as caught:
        trained(large(mlp_task(), fits=2, error=RuntimeError("planted")), tmp_path)
    assert "samples at once" not in str(caught.value)
