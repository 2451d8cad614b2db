"""Lightning with two optimizers that the module steps itself: lightning_manual.py OUT."""

import sys
import warnings

import lightning
import torch
from kept import keep
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Adversaries(lightning.LightningModule):
    """A generator and a critic."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = nn.Linear(4, 16), nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))

    def training_step(self, batch, number):
        (x,) = batch
        one, other = self.optimizers()
        made = self.generator(torch.randn(len(x), 4))
        one.zero_grad()
        self.manual_backward(F.softplus(self.critic(made.detach())).mean() + F.softplus(-self.critic(x)).mean())
        one.step()
        other.zero_grad()
        self.manual_backward(F.softplus(-self.critic(made)).mean())
        other.step()

    def configure_optimizers(self):
        return torch.optim.Adam(self.critic.parameters()), torch.optim.Adam(self.generator.parameters())


warnings.filterwarnings("ignore")
torch.set_num_threads(1)
lightning.seed_everything(0)
module = Adversaries()
lightning.Trainer(
    max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
).fit(module, DataLoader(TensorDataset(torch.randn(320, 16)), 8, shuffle=True))
keep(sys.argv[1], module)
