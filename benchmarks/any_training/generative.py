"""A VAE and a diffusion model, whose objectives draw random numbers."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.any_training.training import STEPS, Training, adam, normal, plain_loop
from hasten import Data, Stop, Task, Update

SAMPLES, SIZE, LATENT, TIMES = 80, 16, 3, 20
STOP = Stop(steps=STEPS)


def pictures() -> TensorDataset:
    """Return samples without a target."""
    return TensorDataset(normal(SAMPLES, 4) @ normal(4, SIZE, seed=1))


def loader() -> DataLoader[tuple[Tensor, ...]]:
    """Return the shuffled loader."""
    return DataLoader(pictures(), 16, shuffle=True)


class VAE(nn.Module):
    """Encoder and decoder of one hidden layer each."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIZE, 32), nn.ReLU(), nn.Linear(32, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, 32), nn.ReLU(), nn.Linear(32, SIZE))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction, the mean and the log-variance of the latent."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(latent), mean, log_variance


def vae() -> Training:
    """Reconstruction and divergence, logged one by one."""

    def parts(net: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
        (x,) = batch
        made, mean, log_variance = net(x)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        return {"reconstruction": F.mse_loss(made, x), "divergence": 0.1 * divergence}

    def loss(net: nn.Module, batch: list[Tensor]) -> Tensor:
        (x,) = batch
        made, mean, log_variance = net(x)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        return F.mse_loss(made, x) + 0.1 * divergence

    return Training(
        "vae",
        lambda: plain_loop(VAE, adam, loader(), loss),
        lambda: Task(
            name="vae",
            data=Data(train=loader(), valid=pictures()),
            model=VAE,
            objective=parts,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


class Denoiser(nn.Module):
    """Predicts the noise from a noisy sample and its time."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Embedding(TIMES, 16)
        self.body = nn.Sequential(nn.Linear(SIZE + 16, 32), nn.SiLU(), nn.Linear(32, SIZE))
        self.register_buffer("kept", torch.cos(torch.arange(TIMES) / TIMES * math.pi / 2).square())

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return the noise (batch, size)."""
        return self.body(torch.cat([x, self.time(time)], 1))


def diffusion() -> Training:
    """Each step draws times and noise."""

    def loss(net: nn.Module, batch: list[Tensor]) -> Tensor:
        (x,) = batch
        time = torch.randint(TIMES, (len(x),), device=x.device)
        noise = torch.randn_like(x)
        kept = net.kept[time, None]  # type: ignore[index]
        return F.mse_loss(net(kept.sqrt() * x + (1 - kept).sqrt() * noise, time), noise)

    return Training(
        "diffusion",
        lambda: plain_loop(Denoiser, adam, loader(), loss),
        lambda: Task(
            name="diffusion",
            data=Data(train=loader(), valid=pictures()),
            model=Denoiser,
            objective=loss,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


TRAININGS = (vae(), diffusion())
