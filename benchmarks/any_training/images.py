"""Convolutional and residual networks, a ViT, a frozen backbone, and detection with lists of boxes."""

from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.any_training.training import STEPS, Training, adam, normal, plain_loop, whole_numbers
from hasten import Data, Stop, Task, Update

SAMPLES, CLASSES, SIDE = 64, 4, 8
STOP = Stop(steps=STEPS)


def images() -> TensorDataset:
    """Return small images and their classes."""
    labels = whole_numbers(CLASSES, SAMPLES)
    return TensorDataset(normal(SAMPLES, 3, SIDE, SIDE) + labels.view(-1, 1, 1, 1), labels)


def loader() -> DataLoader[Any]:
    """Return the shuffled loader that leaves out a last smaller batch."""
    return DataLoader(images(), 12, shuffle=True, drop_last=True)


def cnn() -> nn.Module:
    """Return convolutions with batch norm."""
    first = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
    second = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(16, CLASSES))


class Block(nn.Module):
    """Two convolutions around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm_one, self.norm_two = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, channels, height, width) for the same."""
        return F.relu(x + self.norm_two(self.two(F.relu(self.norm_one(self.one(x))))))


def residual() -> nn.Module:
    """Return two residual blocks and a classifier."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), Block(8), Block(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    )


class ViT(nn.Module):
    """Patches, a class token, positions and two encoder layers."""

    def __init__(self, width: int = 16, patch: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + (SIDE // patch) ** 2, width))
        layer = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (batch, classes)."""
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.positions
        return self.head(self.encoder(tokens)[:, 0])


def frozen() -> nn.Module:
    """Return a CNN of which only the last layer is trained; its batch norms keep their statistics."""
    net = cnn()
    for layer in list(net)[:-1]:
        layer.requires_grad_(False)
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.0
    return net


def classifier(name: str, model: Any, optimizer: Any = adam) -> Training:
    """Return the training of a classifier of images."""
    return Training(
        name,
        lambda: plain_loop(model, optimizer, loader(), lambda net, batch: F.cross_entropy(net(batch[0]), batch[1])),
        lambda: Task(
            name=name,
            data=Data(train=loader(), valid=images()),
            model=model,
            update=Update(optimizer=optimizer),
            stop=STOP,
        ),
    )


class Boxes(Dataset[Any]):
    """Images with a list of boxes each; how many differs."""

    def __init__(self) -> None:
        self.images, self.counts = normal(SAMPLES, 3, SIDE, SIDE), (1 + whole_numbers(3, SAMPLES)).tolist()

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        count = self.counts[index]
        boxes = normal(count, 4, seed=index).sigmoid()
        return self.images[index], {"boxes": boxes, "labels": whole_numbers(CLASSES, count, seed=index)}


def in_lists(samples: list[Any]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Return a list of images and a list of targets, as detection models of torchvision take them."""
    return [image for image, _ in samples], [target for _, target in samples]


class Detector(nn.Module):
    """Three slots of a box and class scores per image; the model computes its losses."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten())
        self.heads = nn.Linear(8 * 3 * 3, 3 * (4 + CLASSES))

    def forward(self, pictures: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the losses of boxes and labels, each a mean over the boxes."""
        slots = self.heads(self.body(torch.stack(pictures))).view(len(pictures), 3, 4 + CLASSES)
        found = torch.cat([slot[: len(target["labels"])] for slot, target in zip(slots, targets, strict=True)])
        boxes, labels = (torch.cat([target[name] for target in targets]) for name in ("boxes", "labels"))
        return {
            "box": F.smooth_l1_loss(found[:, :4].sigmoid(), boxes),
            "label": F.cross_entropy(found[:, 4:], labels),
        }


def detection() -> Training:
    """Lists of images and of boxes; the model returns a dictionary of losses."""

    def loader() -> DataLoader[Any]:
        return DataLoader(Boxes(), 8, shuffle=True, collate_fn=in_lists)

    def losses(net: nn.Module, batch: Any) -> dict[str, Tensor]:
        pictures, targets = batch
        return net(pictures, targets)

    def total(net: nn.Module, batch: Any) -> Tensor:
        pictures, targets = batch
        return sum(net(pictures, targets).values(), torch.zeros(()))

    return Training(
        "detection",
        lambda: plain_loop(Detector, lambda net: optim.SGD(net.parameters(), lr=0.02, momentum=0.9), loader(), total),
        lambda: Task(
            name="detection",
            data=Data(train=loader(), valid=Boxes(), collate=in_lists),
            model=Detector,
            objective=losses,
            update=Update(optimizer=optim.SGD, lr=0.02, options={"momentum": 0.9}),
            stop=STOP,
        ),
    )


TRAININGS = (
    classifier("cnn", cnn, lambda net: optim.SGD(net.parameters(), lr=0.05, momentum=0.9)),
    classifier("residual-net", residual),
    classifier("vit", ViT),
    classifier("frozen-backbone", frozen),
    detection(),
)
