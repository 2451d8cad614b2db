"""A GAN: two optimizers that update in turn, in a step of its own."""

from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.optim.lr_scheduler import LinearLR, LRScheduler
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.any_training.training import SEED, STEPS, Losses, Training, many_steps, normal
from hasten import Data, Stop, Task, Update

SAMPLES, SIZE, LATENT = 90, 8, 3


class GAN(nn.Module):
    """Generator and discriminator of one hidden layer each; nothing calls the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(LATENT, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, SIZE))
        self.discriminator = nn.Sequential(nn.Linear(SIZE, 16), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(16, 1))


def optimizers(net: nn.Module) -> dict[str, optim.Optimizer]:
    """Return one optimizer for each half."""
    assert isinstance(net, GAN), "the model of this task"
    return {
        "generator": optim.Adam(net.generator.parameters(), lr=2e-3, betas=(0.5, 0.999)),
        "discriminator": optim.Adam(net.discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999)),
    }


def update_both(net: nn.Module, updates: Any, batch: Any) -> tuple[Tensor, Tensor]:
    """Update the discriminator, then the generator; return their losses."""
    assert isinstance(net, GAN), "the model of this task"
    (real,) = batch
    made = net.generator(torch.randn(len(real), LATENT))
    logits = net.discriminator(torch.cat([real, made.detach()]))
    is_real = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
    judging = F.binary_cross_entropy_with_logits(logits, is_real)
    updates["discriminator"].zero_grad()
    judging.backward()
    updates["discriminator"].step()
    fooling = F.binary_cross_entropy_with_logits(net.discriminator(made), torch.ones(len(real), 1))
    updates["generator"].zero_grad()
    fooling.backward()
    updates["generator"].step()
    return judging.detach(), fooling.detach()


def step(session: Any, batch: Any) -> dict[str, Tensor]:
    """Return the two losses of a step."""
    judging, fooling = update_both(session.model, session.optimizers, batch)
    return {"judging": judging, "fooling": fooling}


def spread(net: nn.Module) -> dict[str, float]:
    """Return how far samples of the generator lie from the data's center."""
    assert isinstance(net, GAN), "the model of this task"
    return {"spread": float(net.generator(normal(64, LATENT, seed=5)).square().mean())}


def loader() -> DataLoader[Any]:
    """Return the shuffled loader."""
    return DataLoader(TensorDataset(normal(SAMPLES, LATENT) @ normal(LATENT, SIZE, seed=1)), 15, shuffle=True)


def gan() -> Training:
    """Adversarial training without labels, judged by its own evaluation."""

    def schedule(updates: optim.Optimizer) -> LRScheduler:
        return LinearLR(updates, 1.0, 0.1, total_iters=STEPS)

    def by_hand() -> tuple[Losses, nn.Module]:
        torch.manual_seed(SEED)
        net = GAN()
        updates = optimizers(net)
        rates = [schedule(one) for one in updates.values()]

        def one_step(batch: Any) -> Tensor:
            judging, fooling = update_both(net, updates, batch)
            for rate in rates:
                rate.step()
            return judging + fooling

        return many_steps(loader(), one_step, lambda: None), net

    return Training(
        "gan",
        by_hand,
        lambda: Task(
            name="gan",
            data=Data(train=loader()),
            model=GAN,
            step=step,
            validate=spread,
            metric="spread",
            higher_is_better=True,
            update=Update(optimizer=optimizers, schedule=schedule),
            stop=Stop(steps=STEPS),
        ),
    )


TRAININGS = (gan(),)
