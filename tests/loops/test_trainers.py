"""Plans in the trainers of other packages: an exact plan has the losses of the same run without hasten, bit for bit."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import hasten
from hasten.base.errors import HastenWarning
from hasten.base.records.effect import Outcome

pytestmark = pytest.mark.filterwarnings("ignore")  # of the other packages
EXACT = ["nonfinite_guard", "activation_checkpointing"]
FAST = ["channels_last", "fused_optimizer"]


class Net(nn.Module):
    """Convolutions in a list, so that there are blocks to recompute, and the loss in the model."""

    def __init__(self):
        super().__init__()
        blocks = [nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Dropout(0.1)) for _ in range(3)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(3 * 8 * 8, 5)

    def forward(self, images=None, labels=None):
        scores = self.head(self.blocks(images).flatten(1))
        return {"loss": F.cross_entropy(scores, labels), "logits": scores} if labels is not None else scores


def columns(samples=40):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, 3, 8, 8, generator=generator), torch.randint(0, 5, (samples,), generator=generator)


class Named(Dataset):
    """Samples as dicts, as transformers wants them."""

    def __init__(self):
        self.images, self.labels = columns()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"images": self.images[index], "labels": self.labels[index]}


def with_transformers(plan, folder):
    transformers = pytest.importorskip("transformers")
    losses = []

    class Keep(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **given):
            losses.extend([logs["loss"], logs["grad_norm"]] if "loss" in logs else [])

    torch.manual_seed(0)
    model = Net()
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=2, per_device_train_batch_size=8, logging_steps=1, seed=3,
        optim="adamw_torch",
        report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    fast = None if plan is None else hasten.transformers_apply(plan, strict=True)
    callbacks = [Keep(), *([] if fast is None else [fast])]
    transformers.Trainer(model, arguments, train_dataset=Named(), callbacks=callbacks).train()
    return losses, model, fast and fast.report()


def with_lightning(plan, folder):
    lightning = pytest.importorskip("lightning")
    losses = []

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def training_step(self, batch, index):
            loss = self.net(*batch)["loss"]
            losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=1e-2)

    torch.manual_seed(0)
    model = Module()
    fast = None if plan is None else hasten.lightning_apply(plan, strict=True)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=str(folder), callbacks=[] if fast is None else [fast],
    )  # fmt: skip
    trainer.fit(model, DataLoader(TensorDataset(*columns()), batch_size=8, shuffle=True))
    return losses, model.net, fast and fast.report()


def own_loop(plan, prepare, backward):
    """Run a loop whose objects are prepared by another package, after hasten or without it."""
    losses = []
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    loader = DataLoader(TensorDataset(*columns()), batch_size=8, shuffle=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HastenWarning)
        applied = hasten.apply(plan or [], model=model, optimizer=optimizer, loader=loader)
    with applied as fast:
        mine, theirs, batches = (
            (model, optimizer, loader) if plan is None else (fast.model, fast.optimizer, fast.loader)
        )
        mine, theirs, batches = prepare(mine, theirs, batches)
        for _ in range(2):
            for batch in batches:
                loss = mine(*batch)["loss"]
                backward(loss)
                theirs.step()
                theirs.zero_grad()
                losses.append(loss.item())
    return losses, model, fast.report()


def with_accelerate(plan, folder):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    return own_loop(plan, accelerator.prepare, accelerator.backward)


def with_fabric(plan, folder):
    fabric = pytest.importorskip("lightning.fabric").Fabric(accelerator="cpu", devices=1)

    def prepare(model, optimizer, loader):
        made, optimizer = fabric.setup(model, optimizer)
        return made, optimizer, fabric.setup_dataloaders(loader) if isinstance(loader, DataLoader) else loader

    return own_loop(plan, prepare, fabric.backward)


TRAINERS = {
    "transformers": with_transformers,
    "lightning": with_lightning,
    "accelerate": with_accelerate,
    "fabric": with_fabric,
}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_an_exact_plan_has_the_losses_of_the_run_without_hasten(trainer, tmp_path):
    exact = EXACT if trainer != "lightning" else ["nonfinite_guard"]  # which gives no example batch
    expected, plain, _ = TRAINERS[trainer](None, tmp_path)
    found, model, report = TRAINERS[trainer](exact, tmp_path)
    assert len(expected) >= 10
    assert found == expected
    for one, other in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [line.outcome for line in report.lines] == [Outcome.APPLIED] * len(exact)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_layout_and_fused_optimizer_have_their_effect(trainer, tmp_path):
    expected, _, _ = TRAINERS[trainer](None, tmp_path)
    found, model, report = TRAINERS[trainer](FAST, tmp_path)
    assert found == pytest.approx(expected, abs=0.2), "dropout draws by the order in memory"
    assert [line.outcome for line in report.lines] == [Outcome.APPLIED] * 2
    assert type(model) is Net
    assert model.blocks[0][0].weight.is_contiguous()
