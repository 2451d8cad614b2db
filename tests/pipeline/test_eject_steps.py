"""Steps of the task's own, several optimizers and augmentation leave as a script that trains to the same bits."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import hasten.data.batch
from hasten.base.errors import Refused
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.data.augmentation.adapters import Torchvision
from hasten.data.augmentation.images import flip, resize
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.ejecting import eject, write_out
from hasten.tasks.loading import load_task
from hasten.techniques.applying import plan_of
from hasten.techniques.baseline import baseline_of
from hasten.training.recipe import baseline
from hasten.training.task import Task

sys.path.append(str(Path(__file__).parent.parent / "contract"))
from contract_tasks import machine
from ejected import assert_same, clean, run_in_forks

TASKS = '''
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LinearLR
from torch.utils.data import DataLoader, TensorDataset

from hasten import Data, Loss, Stop, Task, Update
from hasten.data.augmentation.images import ChannelsFirst, Erase, Flip, PadCrop, RandomResizedCrop
from hasten.data.augmentation.mixing import CutMix, MixUp
from hasten.data.augmentation.rows import AddNoise, MaskFeatures
from hasten.training.session import Session

STOP = Stop(steps=50, evaluate_every=20)


class GAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))
        self.judge = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(16, 1))


def both(net):
    return {
        "generator": torch.optim.Adam(net.generator.parameters(), lr=2e-3, betas=(0.5, 0.999)),
        "judge": torch.optim.Adam(net.judge.parameters(), lr=1e-3),
    }


def update_judge(session, real, made):
    session.optimizers["judge"].zero_grad()
    logits = session.model.judge(torch.cat([real, made.detach()]))
    is_real = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
    loss = F.binary_cross_entropy_with_logits(logits, is_real)
    loss.backward()
    session.optimizers["judge"].step()
    return loss


def step(session: Session, batch) -> dict[str, torch.Tensor]:
    (real,) = batch
    made = session.model.generator(torch.randn(len(real), 3))
    judging = update_judge(session, real, made)
    session.optimizers["generator"].zero_grad()
    fooling = F.binary_cross_entropy_with_logits(session.model.judge(made), torch.ones(len(real), 1))
    fooling.backward()
    session.optimizers["generator"].step()
    return {"judging": judging, "fooling": fooling.item()}


def samples(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def spread(net):
    return {"spread": float(net.generator(samples(64, 3, seed=5)).square().mean())}


def falling(optimizer):
    return LinearLR(optimizer, 1.0, 0.1, total_iters=50)


def gan():
    return Task(
        name="gan",
        data=Data(train=TensorDataset(samples(90, 8))),
        model=GAN,
        step=step,
        validate=spread,
        metric="spread",
        higher_is_better=True,
        update=Update(optimizer=both, schedule=falling),
        batch_size=16,
        stop=STOP,
    )


def rows():
    x = samples(60, 4)
    y = (x.sum(1) > 0).long()
    return Data(train=TensorDataset(x[:50], y[:50]), valid=TensorDataset(x[50:], y[50:]))


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 2))


def noisy(session, batch):
    """A step of its own that looks where the training is, and updates in every second step."""
    x, y = batch
    noise = 0.1 * (1 - session.progress()) * torch.randn_like(x)
    loss = F.cross_entropy(session.model(x + noise), y)
    loss.backward()
    if session.position.step % 2 == 1 or session.position.epoch > 3:
        session.optimizer.step()
        session.optimizer.zero_grad()
    return loss, len(y)


def accumulating():
    data = rows()
    return Task(
        name="accumulating",
        data=data,
        model=net,
        step=noisy,
        update=Update(optimizer="adamw", lr=1e-2, schedule="cosine"),
        batch_size=16,
        stop=STOP,
    )


class Clipped:
    """A step with a state of its own."""

    def __init__(self, most=1.0):
        self.most = most
        self.loss = nn.CrossEntropyLoss(label_smoothing=0.1)
        self.made = 0

    def update(self, session):
        nn.utils.clip_grad_norm_(session.parameters, self.most / (1 + self.made))
        session.optimizer.step()

    def __call__(self, session, batch):
        x, y = batch
        session.optimizer.zero_grad()
        loss = self.loss(session.model(x), y)
        loss.backward()
        self.update(session)
        self.made += 1
        return Loss(loss * len(y), len(y))


def clipped():
    return Task(name="clipped", data=rows(), model=net, step=Clipped(0.5), batch_size=12, stop=STOP)


def halves(model):
    return [torch.optim.SGD(model[0].parameters(), lr=0.1), torch.optim.Adam(model[3].parameters(), lr=0.01)]


def several():
    data = rows()
    return Task(
        name="several",
        data=data,
        model=net,
        update=Update(optimizer=halves, schedule="cosine"),
        batch_size=16,
        stop=STOP,
    )


def photos():
    data = pictures(8, 8, 3)
    return Task(
        name="photos",
        data=data,
        model=linear,
        augment=(RandomResizedCrop(8), PadCrop(2), Flip(), Erase(), CutMix(2)),
        batch_size=16,
        stop=STOP,
    )


def planes():
    data = pictures(3, 8, 8)
    return Task(
        name="planes",
        data=data,
        model=linear,
        augment=(ChannelsFirst(Flip()), mirrored),
        batch_size=None,
        stop=STOP,
    )


def mixed():
    data = rows()
    return Task(
        name="mixed",
        data=data,
        model=net,
        augment=(MixUp(2), AddNoise(0.1), MaskFeatures()),
        batch_size=16,
        stop=STOP,
    )


def drawn():
    data = pictures(8, 8, 3)
    return Task(name="drawn", data=data, model=linear, batch_size=16, stop=STOP)


def labeled(count):
    x = samples(count, 4)
    return TensorDataset(x, (x.sum(1) > 0).long())


def own_loader():
    return Task(
        name="own_loader",
        data=Data(train=DataLoader(labeled(50), batch_size=16, shuffle=True), valid=labeled(10)),
        model=net,
        augment=(AddNoise(0.1),),
        stop=STOP,
    )


def mirrored(batch, draws):
    x, y = batch
    chosen = draws.chosen("up", 0.5)
    return torch.where(chosen[:, None, None, None], x.flip(2), x), y


def pictures(*shape):
    x, y = samples(60, *shape), samples(60, seed=1).gt(0).long()
    return Data(train=TensorDataset(x[:50], y[:50]), valid=TensorDataset(x[50:], y[50:]))


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
'''
PLANS = {
    "gan": ["batched_gather", "prefetch", "ema"],
    "accumulating": ["batched_gather"],
    "clipped": [],
    "several": ["clip_norm", "centralize"],
    "photos": ["prefetch"],
    "planes": [],
    "mixed": ["batched_gather"],
    "drawn": ["augmentation"],
}


def task_of(name: str, folder: Path) -> Task:
    file = folder / "my_task.py"
    file.write_text(TASKS)
    return load_task(f"{file}:{name}")


Case = tuple[Path, Task, Plan, Machine]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Run all scripts once."""
    root = tmp_path_factory.mktemp("steps")
    cases: dict[str, Case] = {}
    for name, techniques in PLANS.items():
        cases[name] = root / name, task_of(name, root), plan_of(name, techniques), machine()
    run_in_forks(*((folder, eject(task, plan, here)) for folder, task, plan, here in cases.values()))
    clean(*(folder / "train.py" for folder, *_ in cases.values()))
    return cases


@pytest.mark.parametrize("name", PLANS)
def test_the_script_has_the_losses_and_weights_of_the_training(name: str, ran: dict[str, Case]) -> None:
    folder, task, plan, here = ran[name]
    assert_same(folder, task, plan, here, bits=True)


def test_what_works_inside_of_the_step_is_left_out_of_a_script_with_its_own_step(tmp_path: Path) -> None:
    task = task_of("accumulating", tmp_path)
    found = write_out(task, plan_of(task.name, ["bf16", "ema"]), baseline(task))
    reason = "it works inside of the step that the task makes itself (Task.step)"
    assert {one.technique: one.reason for one in found.left_out} == {"bf16": reason}
    assert "averages" in found.text


def test_what_is_used_today_inside_of_an_own_step_is_not_left_out(tmp_path: Path) -> None:
    task = replace(task_of("accumulating", tmp_path), uses={"bf16": {}})
    with pytest.raises(Refused, match=r"bf16 of Task\.uses works inside of the step .* Do it in Task\.step"):
        write_out(task, plan_of(task.name, ()), baseline_of(task, machine()))


class Weighed:
    def __init__(self, weight: float) -> None:
        self.square = weight**2

    def __call__(self, session: Any, batch: Any) -> float:
        return 0.0


def looks_at_the_recipe(session: Any, batch: Any) -> float:
    return session.recipe.input.batch_size


def hands_the_session_on(session: Any, batch: Any) -> float:
    return len(repr(session))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"step": Weighed(2.0)}, "a Weighed cannot be written as an expression: it does not keep the argument weight"),
        ({"step": looks_at_the_recipe}, r"Task.step uses session\.recipe, which a script does not have"),
        ({"step": hands_the_session_on}, "Task.step passes the session on to repr"),
        ({"augment": (Torchvision(print),)}, "Task.augment is not written out: 'print' has no source text"),
    ],
)
def test_what_cannot_leave_is_refused_by_its_name(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    task = replace(task_of("accumulating", tmp_path), **change)
    with pytest.raises(Refused, match=reason):
        write_out(task, plan_of(task.name, ()), baseline(task))


def test_augmentation_beside_a_loader_is_refused(tmp_path: Path) -> None:
    task = task_of("own_loader", tmp_path)
    with pytest.raises(Refused, match=r"Task\.augment cannot be written out beside data that make their own batches"):
        write_out(task, plan_of(task.name, ()), baseline(task))


@pytest.mark.parametrize("form", [tuple, lambda parts: dict(zip(("x", "more", "labels"), parts, strict=True))])
def test_the_plain_functions_for_batches_do_what_those_for_trees_do(form: Any) -> None:
    batch, other = form((torch.ones(2, 3), torch.zeros(2, 1), torch.tensor([0, 1]))), torch.full((2, 3), 7.0)
    for name, more in (
        ("first_input", ()),
        ("target_of", ()),
        ("with_first_input", (other,)),
        ("with_target", (other,)),
        ("map_inputs", (torch.neg,)),
    ):
        found, expected = (getattr(module, name)(batch, *more) for module in (plain, hasten.data.batch))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_plain_changes_of_images_have_the_same_bits(dtype: torch.dtype) -> None:
    images = torch.randint(0, 256, (4, 6, 5, 3), generator=torch.Generator().manual_seed(0)).to(dtype)
    chosen = torch.tensor([True, False, True, False])
    assert torch.equal(plain.flip(images, chosen), flip(images, chosen))
    boxes = torch.tensor([[0, 6, 0, 5], [1, 4, 2, 5], [0, 3, 1, 3], [2, 6, 0, 4]])
    assert torch.equal(plain.resize(images, boxes, size=4), resize(images, boxes, size=4))
