"""Where does the time of a Lightning run go? One callback."""

import warnings

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hasten


class Classifier(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        inputs, targets = batch
        return nn.functional.cross_entropy(self.layers(inputs), targets)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())


def main() -> None:
    data = TensorDataset(torch.randn(2000, 20), torch.randint(0, 3, (2000,)))
    watching = hasten.lightning_watch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning advises more loader workers
        trainer = lightning.Trainer(
            max_epochs=1,
            callbacks=[watching],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            accelerator="cpu",
        )
        trainer.fit(Classifier(), DataLoader(data, batch_size=50))
    print(watching.profile().verdict)


if __name__ == "__main__":
    main()
