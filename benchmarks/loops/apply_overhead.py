"""What `hasten.apply` costs: a loop with a plan of `fused_optimizer` against the same loop that asks for it by hand.

The loops are plain PyTorch, and those of the packages that are installed: Hugging Face, Lightning, Accelerate, Fabric.
Each runs three times side by side, some steps in turn: with the plan, by hand, and by hand again, to show the noise.
Blocks end where the model is called. The first ones are dropped: in them a loop is set up, and `apply` watches whether
the plan has an effect. All sides must end with the same parameters, bit for bit, and must have made every update with
the fused optimizer.

    python -m benchmarks.loops.apply_overhead [--steps 2000] [--only plain lightning]
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from statistics import median
from threading import local
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, Dataset, TensorDataset

import hasten
from benchmarks.recording import ratio, record, told
from benchmarks.turns import Pause, in_turn, log_ratios

PLAN = ["fused_optimizer"]
BLOCK = 5  # steps
WARM_UP = 6  # blocks
SAMPLES, BATCH = 640, 32
EPOCH = SAMPLES // BATCH
USED = {("AdamW", True)}
"""Class of every side's optimizer, and whether it is fused."""
_HERE = local()


class Net(nn.Module):
    """A convolutional network that returns its loss and pauses every few calls; a step takes some milliseconds."""

    def __init__(self, pause: Pause) -> None:
        super().__init__()
        blocks = [nn.Sequential(nn.Conv2d(width, 24, 3, padding=1), nn.ReLU()) for width in (3, 24, 24)]
        self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(24 * 16 * 16, 10)
        self.calls = 0
        self._pause = [pause]  # a list is neither copied with the model nor saved

    def __deepcopy__(self, memo: dict[int, Any]) -> "Net":
        """Return a copy to try techniques on, whose calls end no block."""
        copied = Net(lambda: None)
        copied.load_state_dict(self.state_dict())
        return copied

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if self.calls and self.calls % BLOCK == 0:
            self._pause[0]()
        self.calls += 1
        scores = self.head(self.blocks(images).flatten(1))
        return {"loss": F.cross_entropy(scores, labels), "logits": scores}


def columns() -> tuple[Tensor, Tensor]:
    """Return images and labels."""
    seeded = torch.Generator().manual_seed(0)
    return torch.randn(SAMPLES, 3, 16, 16, generator=seeded), torch.randint(0, 10, (SAMPLES,), generator=seeded)


class Named(Dataset[dict[str, Tensor]]):
    """Samples as dicts, as transformers wants them."""

    def __init__(self) -> None:
        self.images, self.labels = columns()

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"images": self.images[index], "labels": self.labels[index]}


Prepare = Callable[[nn.Module, torch.optim.Optimizer, object], tuple[nn.Module, torch.optim.Optimizer, object]]


def own_loop(model: Net, steps: int, *, applied: bool, prepare: Prepare, backward: Callable[[Tensor], None]) -> None:
    """Train in a loop of one's own, its objects prepared by a package."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=None if applied else True)
    loader = DataLoader(TensorDataset(*columns()), BATCH, shuffle=True, drop_last=True)
    plan = hasten.apply(PLAN, model=model, optimizer=optimizer, loader=loader) if applied else nullcontext()
    with plan as fast:
        objects = (model, optimizer, loader) if fast is None else (fast.model, fast.optimizer, fast.loader)
        mine, theirs, batches = prepare(*objects)
        for _ in range(steps // EPOCH):
            for images, labels in batches:
                backward(mine(images, labels)["loss"])
                theirs.step()
                theirs.zero_grad()


def plain(model: Net, steps: int, *, applied: bool) -> None:
    """Train in plain PyTorch."""
    own_loop(model, steps, applied=applied, prepare=lambda *objects: objects, backward=Tensor.backward)


def accelerate(model: Net, steps: int, *, applied: bool) -> None:
    """Train in a loop that Accelerate has prepared."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    own_loop(model, steps, applied=applied, prepare=accelerator.prepare, backward=accelerator.backward)


def fabric(model: Net, steps: int, *, applied: bool) -> None:
    """Train in a loop that Lightning's Fabric has set up."""
    from lightning.fabric import Fabric

    used = Fabric(accelerator="cpu", devices=1)

    def prepare(mine: nn.Module, optimizer: torch.optim.Optimizer, loader: object) -> tuple[object, object, object]:
        return (*used.setup(mine, optimizer), used.setup_dataloaders(loader))

    own_loop(model, steps, applied=applied, prepare=prepare, backward=used.backward)


def lightning(model: Net, steps: int, *, applied: bool) -> None:
    """Train with Lightning's Trainer."""
    from lightning import LightningModule, Trainer

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            return self.net(*batch)["loss"]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=1e-3, fused=None if applied else True)

    Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[hasten.lightning_apply(PLAN)] if applied else [],
    ).fit(Module(), DataLoader(TensorDataset(*columns()), BATCH, shuffle=True, drop_last=True))


def transformers(model: Net, steps: int, *, applied: bool) -> None:
    """Train with Hugging Face's Trainer."""
    from transformers import Trainer, TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            optim="adamw_torch" if applied else "adamw_torch_fused",
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        callbacks = [hasten.transformers_apply(PLAN)] if applied else []
        Trainer(model, arguments, train_dataset=Named(), callbacks=callbacks).train()


LOOPS = {loop.__name__: loop for loop in (plain, transformers, lightning, accelerate, fabric)}
NEEDS = {"transformers": "transformers", "lightning": "lightning", "accelerate": "accelerate", "fabric": "lightning"}


def note_optimizer(optimizer: torch.optim.Optimizer, args: object, options: object) -> None:
    """Note, for the side whose turn it is, what makes its updates."""
    _HERE.optimizers |= {(type(optimizer).__name__, group["fused"]) for group in optimizer.param_groups}


def trained(name: str, steps: int, pause: Pause, *, applied: bool) -> list[Tensor]:
    """Train one side and return its parameters."""
    torch.set_num_threads(1)  # a setting of each thread
    torch.manual_seed(0)
    _HERE.optimizers = set()
    model = Net(pause)
    LOOPS[name](model, steps, applied=applied)
    if model.calls != steps:
        raise SystemExit(f"{name} made {model.calls} steps, not {steps}")
    if _HERE.optimizers != USED:
        raise SystemExit(f"{name}, applied={applied}: the updates were made by {_HERE.optimizers}, not by {USED}")
    return [*model.parameters()]


def compare(name: str, steps: int) -> dict[str, object]:
    """Run the sides in turn and return the ratio of their step times."""
    applied = {"applied": True, "by hand": False, "by hand again": False}
    sides = in_turn({side: partial(trained, name, steps, applied=wanted) for side, wanted in applied.items()})
    found = [side.result for side in sides.values()]
    if not all(torch.equal(first, one) for first, *others in zip(*found, strict=True) for one in others):
        raise SystemExit(f"{name}: the parameters differ")
    blocks = {side: one.blocks_s for side, one in sides.items()}
    ratios = {
        side: ratio(log_ratios(taken, blocks["by hand"], warm_up=WARM_UP))
        for side, taken in blocks.items()
        if side != "by hand"
    }
    return {
        "loop": name,
        "steps_per_block": BLOCK,
        "ratio": ratios["applied"],
        "noise": ratios["by hand again"],
        "step_times_s": {side: [seconds / BLOCK for seconds in taken[WARM_UP:]] for side, taken in blocks.items()},
        "same_bits": True,
    }


def main() -> None:
    """Measure every loop whose package is installed, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--steps", type=int, default=2000, help=f"of each side; a multiple of {EPOCH}, which is an epoch"
    )
    parser.add_argument("--only", nargs="+", choices=LOOPS, default=list(LOOPS))
    options = parser.parse_args()
    if options.steps % EPOCH or options.steps <= (WARM_UP + 2) * BLOCK:
        parser.error(f"--steps must be a multiple of {EPOCH}, above {(WARM_UP + 2) * BLOCK}; found {options.steps}")
    warnings.simplefilter("ignore")  # of the packages
    torch.set_num_threads(1)
    register_optimizer_step_pre_hook(note_optimizer)
    print("step time with hasten.apply over the loop by hand (bar: 1.01, upper end 1.02)")
    rows = []
    for name in (one for one in options.only if one not in NEEDS or find_spec(NEEDS[one])):
        rows.append(compare(name, options.steps))
        by_hand_ms = 1e3 * median(rows[-1]["step_times_s"]["by hand"])
        noise = f"equal sides {told(rows[-1]['noise'])}"
        print(f"  {name:12} {told(rows[-1]['ratio'])}, {noise}, {by_hand_ms:.3g} ms a step by hand", flush=True)
    print("the parameters at the end are equal bit for bit")
    name = "_".join(["apply_overhead", *(options.only if options.only != list(LOOPS) else ())])
    print(record(name, {"steps": options.steps, "rows": rows}))


if __name__ == "__main__":
    main()
