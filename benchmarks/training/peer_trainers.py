"""The small perceptron trained with other trainers, each as its own documentation has it, without bars and log files.

Each function takes the training and the validation set and returns one whole training: the same model, Adam, batch
size and epochs, judged on the validation set after every epoch. A trainer that is not installed is left out, and said.
"""

import logging
import warnings
from collections.abc import Callable

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers import unavailable

Train = Callable[[], object]
BATCH_SIZE, EPOCHS, RATE = 32, 4, 1e-3


def perceptron() -> nn.Sequential:
    """Return the untrained model."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))


def loaders(train: TensorDataset, valid: TensorDataset) -> tuple[DataLoader, DataLoader]:
    """Return the data sets in the loaders that people use."""
    return DataLoader(train, BATCH_SIZE, shuffle=True), DataLoader(valid, 256)


def scikit_learn(train: TensorDataset, valid: TensorDataset) -> Train:
    """Return a training by scikit-learn's MLPClassifier, judged once at its end."""
    from sklearn.neural_network import MLPClassifier

    x, y, valid_x, valid_y = (column.numpy() for column in (*train.tensors, *valid.tensors))

    def training() -> float:
        model = MLPClassifier(
            (64,), solver="adam", alpha=0.0, batch_size=BATCH_SIZE, learning_rate_init=RATE, max_iter=EPOCHS,
            n_iter_no_change=1000, random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so few epochs are what is asked for
            return model.fit(x, y).score(valid_x, valid_y)

    return training


def lightning(train: TensorDataset, valid: TensorDataset) -> Train:
    """Return a training by Lightning's Trainer."""
    import lightning as L
    from torchmetrics.classification import MulticlassAccuracy

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Perceptron(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = perceptron()
            self.accuracy = MulticlassAccuracy(2, average="micro")

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
            self.accuracy.update(self.model(batch[0]), batch[1])
            self.log("accuracy", self.accuracy)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    def training() -> None:
        trainer = L.Trainer(
            max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(Perceptron(), *loaders(train, valid))

    return training


def accelerate(train: TensorDataset, valid: TensorDataset) -> Train:
    """Return a training by a loop with Accelerate."""
    from accelerate import Accelerator

    def training() -> float:
        accelerator, model = Accelerator(cpu=True), perceptron()
        model, optimizer, train_loader, valid_loader = accelerator.prepare(
            model, torch.optim.Adam(model.parameters(), lr=RATE), *loaders(train, valid)
        )
        right = 0
        for _ in range(EPOCHS):
            model.train()
            for x, y in train_loader:
                optimizer.zero_grad()
                accelerator.backward(F.cross_entropy(model(x), y))
                optimizer.step()
            model.eval()
            with torch.no_grad():
                right = sum(int((model(x).argmax(1) == y).sum()) for x, y in valid_loader)
        return right / len(valid)

    return training


def skorch(train: TensorDataset, valid: TensorDataset) -> Train:
    """Return a training by skorch's classifier."""
    from skorch import NeuralNetClassifier
    from skorch.helper import predefined_split

    def training() -> object:
        return NeuralNetClassifier(
            perceptron(), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=RATE, batch_size=BATCH_SIZE,
            max_epochs=EPOCHS, iterator_train__shuffle=True, train_split=predefined_split(valid), verbose=0,
        ).fit(train, y=None)  # fmt: skip

    return training


def ignite(train: TensorDataset, valid: TensorDataset) -> Train:
    """Return a training by ignite's engines."""
    from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
    from ignite.metrics import Accuracy

    def training() -> float:
        model = perceptron()
        train_loader, valid_loader = loaders(train, valid)
        trainer = create_supervised_trainer(model, torch.optim.Adam(model.parameters(), lr=RATE), nn.CrossEntropyLoss())
        evaluator = create_supervised_evaluator(model, metrics={"accuracy": Accuracy()})
        trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(valid_loader))
        trainer.run(train_loader, max_epochs=EPOCHS)
        return evaluator.state.metrics["accuracy"]

    return training


def fastai(train: TensorDataset, valid: TensorDataset) -> Train:
    """Return a training by fastai's Learner."""
    import fastai.callback.progress  # noqa: F401  (gives a Learner its `no_bar`)
    from fastai.basics import Adam, DataLoader, DataLoaders, Learner, accuracy

    def training() -> None:
        data = DataLoaders(
            DataLoader(train, bs=BATCH_SIZE, shuffle=True, num_workers=0), DataLoader(valid, bs=256, num_workers=0)
        )
        learner = Learner(data, perceptron(), loss_func=nn.CrossEntropyLoss(), opt_func=Adam, lr=RATE, metrics=accuracy)
        with learner.no_bar(), learner.no_logging():
            learner.fit(EPOCHS)

    return training


PEERS = {
    "scikit-learn": ("sklearn", scikit_learn),
    "Lightning": ("lightning", lightning),
    "Accelerate": ("accelerate", accelerate),
    "skorch": ("skorch", skorch),
    "ignite": ("ignite", ignite),
    "fastai": ("fastai.basics", fastai),
}


def installed(train: TensorDataset, valid: TensorDataset) -> tuple[dict[str, Train], dict[str, str]]:
    """Return name -> training of the peers that import here, and name -> why of those that do not."""
    missing = {name: why for name, (module, _) in PEERS.items() if (why := unavailable(module)) is not None}
    trainings = {name: peer(train, valid) for name, (_, peer) in PEERS.items() if name not in missing}
    return trainings, missing
