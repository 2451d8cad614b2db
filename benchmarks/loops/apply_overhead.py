"""What `hasten.apply` costs: a loop with a plan of `fused_optimizer` against the same loop that asks for it by hand.

The loops are plain PyTorch, and those of the packages that are installed: Hugging Face, Lightning, Accelerate, Fabric.
A run's figure is the median time between two calls of the model, without the first steps, in which `apply` watches
whether the plan has an effect. Both sides run in turn, in random order, and end with the same parameters, bit for bit.

    python -m benchmarks.loops.apply_overhead [--pairs 20] [--steps 150] [--only plain lightning]
"""

import argparse
import math
import random
import tempfile
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from itertools import pairwise
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import hasten
from benchmarks.recording import ratio, record, told

PLAN = ["fused_optimizer"]
WARM_UP = 20  # steps
SAMPLES, BATCH = 640, 32


class Net(nn.Module):
    """A convolutional network that returns its loss and notes when it is called; a step takes some milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [nn.Sequential(nn.Conv2d(width, 24, 3, padding=1), nn.ReLU()) for width in (3, 24, 24)]
        self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(24 * 16 * 16, 10)
        self.called_s: list[float] = []

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        self.called_s.append(perf_counter())
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
        for _ in range(steps * BATCH // SAMPLES):
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


def step_s(loop: Callable[..., None], steps: int, *, applied: bool) -> tuple[float, list[Tensor]]:
    """Return the median seconds of a step, and the trained parameters."""
    torch.manual_seed(0)
    model = Net()
    loop(model, steps, applied=applied)
    called = model.called_s[WARM_UP:]
    if len(called) < steps - WARM_UP:
        raise SystemExit(f"{loop.__name__} made {len(model.called_s)} steps, not {steps}")
    return median(later - one for one, later in pairwise(called)), [*model.parameters()]


def compare(name: str, pairs: int, steps: int) -> dict[str, object]:
    """Run both sides in turn and return the ratio of their step times."""
    shuffle, sides = random.Random(0), [True, False]
    logs: list[float] = []
    times: dict[str, list[float]] = {"applied": [], "by hand": []}
    for pair in range(pairs + 1):
        shuffle.shuffle(sides)
        found = {applied: step_s(LOOPS[name], steps, applied=applied) for applied in sides}
        same = all(map(torch.equal, found[True][1], found[False][1]))
        if not same:
            raise SystemExit(f"{name}: the parameters differ")
        if pair:  # the first warms up
            logs.append(math.log(found[True][0] / found[False][0]))
            times["applied"].append(found[True][0])
            times["by hand"].append(found[False][0])
    return {"loop": name, "ratio": ratio(logs), "step_times_s": times}


def main() -> None:
    """Measure every loop whose package is installed, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=160, help="a multiple of 20, which is an epoch")
    parser.add_argument("--only", nargs="+", choices=LOOPS, default=list(LOOPS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the packages
    installed = [name for name in options.only if name not in NEEDS or find_spec(NEEDS[name])]
    rows = []
    for name in installed:
        rows.append(compare(name, options.pairs, options.steps))
        by_hand_ms = 1e3 * median(rows[-1]["step_times_s"]["by hand"])
        print(f"  {name:12} {told(rows[-1]['ratio'])}, steps of {by_hand_ms:.3g} ms by hand", flush=True)
    print("step time with hasten.apply over the loop by hand (bar: 1.01, upper end 1.02); parameters equal bit for bit")
    print(record("apply_overhead", {"pairs": options.pairs, "steps": options.steps, "rows": rows}))


if __name__ == "__main__":
    main()
