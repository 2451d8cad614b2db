"""Planted delays in runs of Lightning and of Hugging Face's Trainer, where these are installed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset

from hasten.base.records.profile import Profile
from hasten.profiling.watch_lightning import lightning_watch
from hasten.profiling.watch_transformers import transformers_watch

BATCH = 4
STEPS = 12
WAIT_S = 0.02
PARTS = ("input", "forward", "backward", "update", "evaluation")

pytestmark = pytest.mark.filterwarnings("ignore")  # trainers warn of much that is not ours


class Waiting:
    """Waits in one part of a training."""

    def __init__(self, part: str) -> None:
        self.part = part

    def __call__(self, part: str) -> None:
        if part == self.part:
            time.sleep(WAIT_S)


class Rows(Dataset[Any]):
    def __init__(self, wait: Waiting) -> None:
        self.wait = wait

    def __len__(self) -> int:
        return BATCH * STEPS

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index % BATCH == 0:  # once in each batch
            self.wait("input")
        return {"x": torch.full((8,), float(index)), "labels": torch.tensor(index % 2)}


class Passing(torch.autograd.Function):
    """Changes nothing, and lets somebody wait on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, wait: Waiting) -> Tensor:
        ctx.wait = wait
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        ctx.wait("backward")
        return gradients[0], None


class Scores(nn.Module):
    def __init__(self, wait: Waiting) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 2)
        self.wait = wait

    def forward(self, x: Tensor) -> Tensor:
        self.wait("forward" if self.training else "evaluation")
        return Passing.apply(self.layer(x), self.wait)


class Updating(optim.SGD):
    wait: Waiting

    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure is not None else None
        self.wait("update")
        super().step()
        return loss


def updating(model: nn.Module, wait: Waiting) -> Updating:
    optimizer = Updating(model.parameters(), lr=1e-3)
    optimizer.wait = wait
    return optimizer


def with_lightning(wait: Waiting, folder: Path) -> Profile:
    lightning = pytest.importorskip("lightning")

    class Classifier(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.scores = Scores(wait)

        def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
            return nn.functional.cross_entropy(self.scores(batch["x"]), batch["labels"])

        def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
            self.scores(batch["x"])

        def configure_optimizers(self) -> optim.Optimizer:
            return updating(self, wait)

    watching = lightning_watch(name="planted")
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    trainer = lightning.Trainer(
        max_epochs=1, callbacks=[watching], accelerator="cpu", default_root_dir=folder, num_sanity_val_steps=0, **quiet
    )
    trainer.fit(Classifier(), DataLoader(Rows(wait), BATCH), DataLoader(Rows(Waiting("")), BATCH))
    return watching.profile()


def with_transformers(wait: Waiting, folder: Path) -> Profile:
    transformers = pytest.importorskip("transformers")

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scores = Scores(wait)

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.scores(x)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    model = Classifier()
    watching = transformers_watch(name="planted")
    args = transformers.TrainingArguments(
        str(folder),
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=BATCH,
        num_train_epochs=1,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    optimizer = updating(model, wait)
    trainer = transformers.Trainer(
        model,
        args,
        train_dataset=Rows(wait),
        eval_dataset=Rows(Waiting("")),
        callbacks=[watching],
        optimizers=(optimizer, optim.lr_scheduler.ConstantLR(optimizer, 1.0)),
    )
    trainer.train()
    return watching.profile()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("trained", [with_lightning, with_transformers])
def test_a_planted_delay_is_found_in_its_part(
    trained: Callable[[Waiting, Path], Profile], part: str, tmp_path: Path
) -> None:
    found = trained(Waiting(part), tmp_path)
    assert sum(one.share for one in found.parts) == pytest.approx(1)
    shares = {one.name: round(one.share, 2) for one in found.parts}
    assert found.share(part) > 0.6 * (1 - found.share("hiccups")), shares
    assert found.seconds(part) == pytest.approx(WAIT_S, rel=0.25)
    assert found.batch_size == BATCH
    assert found.parameters == 18
