"""Lightning: lightning_fit.py OUT [slow-loader]."""

import sys
import tempfile
import time
import warnings

import lightning
import torch
from kept import keep
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    """A perceptron."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 4))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, number):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, number):
        x, y = batch
        self.log("accuracy", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def slowly(samples):
    """Collate after a wait."""
    if "slow-loader" in sys.argv:
        time.sleep(0.01)
    return torch.utils.data.default_collate(samples)


warnings.filterwarnings("ignore")
torch.set_num_threads(1)
lightning.seed_everything(0)
data = TensorDataset(torch.randn(400, 32), torch.randint(0, 4, (400,)))
module = Classifier()
with tempfile.TemporaryDirectory() as folder:
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        gradient_clip_val=1.0, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(module, DataLoader(data, 8, shuffle=True, collate_fn=slowly), DataLoader(data, 50))
print({name: value.item() for name, value in trainer.callback_metrics.items()})
keep(sys.argv[1], module)
