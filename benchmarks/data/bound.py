"""Images trained per second against the same steps on one batch that is there already: what data cost a training.

CIFAR-10 from PNG files (20,000 images), a small CNN, crop, flip and normalization. All recipes run in turn.

    python -m benchmarks.data.bound --data FOLDER [--rounds 15] [--slice 3] [--batch 512] [--max-images N]
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.recording import record
from benchmarks.rounds import Way, rates, table
from hasten import Data, Stop, Task, Update
from hasten.data.augmentation.images import Flip, PadCrop
from hasten.data.augmentation.normalize import Normalize, channel_statistics
from hasten.data.batch import Batch
from hasten.data.sources.class_folders import find_class_folders
from hasten.data.sources.pictures import IMAGE_SUFFIXES, read_pictures
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.techniques.forward.channels_last import batch_to_channels_last
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.training.step import step

BOUND = "the same batch again and again"


def model(width: int = 32) -> nn.Module:
    """Return a CNN of four convolutions for (batch, 3, 32, 32)."""

    def block(inputs: int, outputs: int) -> nn.Module:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))

    blocks = [block(3, width), block(width, 2 * width), block(2 * width, 4 * width), block(4 * width, 4 * width)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(4 * width * 4, 10))


class PerSample(Dataset[tuple[Tensor, Tensor]]):
    """The usual recipe: pad, crop, flip and normalize each image in `__getitem__`."""

    def __init__(self, images: Tensor, labels: Tensor, normalize: Normalize) -> None:
        self.images, self.labels, self.normalize = images, labels, normalize

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        padded = nn.functional.pad(self.images[index], (0, 0, 4, 4, 4, 4))
        top, left = torch.randint(0, 9, (2,)).tolist()
        image = padded[top : top + 32, left : left + 32]
        image = image.flip(1) if torch.rand(()) < 0.5 else image
        return self.normalize((image[None], image))[0][0], self.labels[index]


def read(data: Path, max_images: int | None) -> tuple[Tensor, Tensor]:
    """Return the training images and labels of every archive in the folder."""
    parts = [read_pictures(find_class_folders(path, IMAGE_SUFFIXES)) for path in sorted(data.glob("train-*.tar.gz"))]
    images = torch.cat([torch.from_numpy(part.pixels) for part in parts])[:max_images]
    return images, torch.cat([torch.from_numpy(part.labels) for part in parts])[:max_images]


def task_of(images: Tensor, labels: Tensor, batch_size: int) -> tuple[Task, Normalize]:
    """Return the training and its normalization."""
    normalize = Normalize(*channel_statistics(images))
    data = TensorDataset(images, labels)
    task = Task(
        name="cifar10",
        data=Data(train=data, valid=data),
        model=model,
        update=Update(optimizer="momentum", lr=0.01),
        batch_size=batch_size,
        augment=(PadCrop(4), Flip()),
        batch_transforms=(normalize,),
        stop=Stop(epochs=1),
    )
    return task, normalize


class Waits:
    """How long a way waited for its batches, and how long it ran."""

    def __init__(self) -> None:
        self.waited_s = self.total_s = 0.0

    @property
    def share(self) -> float:
        return self.waited_s / self.total_s


def training(recipe: Recipe, waits: Waits) -> Way:
    """Return the way that trains a recipe as the loop does."""
    run = build(recipe)
    return lambda: _steps(run, run.batches(), waits)


def _steps(run: Session, batches: Iterator[tuple[Tensor, Batch]], waits: Waits) -> Iterator[int]:
    last = perf_counter()
    for ids, batch in batches:
        got = perf_counter()
        step(run, batch)
        run.advance(len(ids), 0.0)
        now = perf_counter()
        waits.waited_s, waits.total_s = waits.waited_s + got - last, waits.total_s + now - last
        yield len(ids)
        last = perf_counter()


def on_one_batch(recipe: Recipe) -> Way:
    """Return the way that trains on the first batch again and again: the bound."""
    run = build(recipe)
    ids, batch = next(run.batches())
    return lambda: _steps(run, iter(lambda: (ids, batch), None), Waits())


def by_loader(recipe: Recipe, dataset: PerSample, workers: int, waits: Waits) -> Way:
    """Return the usual way: a DataLoader over samples that are augmented one by one."""
    run, size = (
        build(replace(recipe, input=replace(recipe.input, augment=(), batch_transforms=()))),
        recipe.input.batch_size,
    )
    loader = DataLoader(dataset, size, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return lambda: _steps(run, ((batch[-1], batch_to_channels_last(tuple(batch))) for batch in loader), waits)


def main() -> None:
    """Train in every way in turn, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with train-*.tar.gz")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice", type=float, default=3.0)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--max-images", type=int)
    options = parser.parse_args()
    images, labels = read(options.data, options.max_images)
    task, normalize = task_of(images, labels, options.batch)
    plain, per_sample = baseline(task), PerSample(images, labels, normalize)
    chosen = partial(apply_all, recipe=plain, machine=facts())
    gather, last = make("batched_gather"), make("channels_last")
    recipes = {
        "hasten, no technique": plain,
        "hasten, batched_gather, channels_last": chosen([gather, last]),
        "hasten, batched_gather, prefetch, channels_last": chosen([gather, make("prefetch"), last]),
    }
    waits = {name: Waits() for name in recipes}
    ways = {name: training(recipe, waits[name]) for name, recipe in recipes.items()}
    ways[BOUND] = on_one_batch(recipes["hasten, batched_gather, channels_last"])
    for workers in (0, 1, 2):
        name = f"DataLoader, {workers} workers, channels_last"
        waits[name] = Waits()
        ways[name] = by_loader(chosen([last]), per_sample, workers, waits[name])
    found = rates(ways, rounds=options.rounds, slice_s=options.slice)
    rows = table(f"images trained a second, batches of {options.batch}", found, against=BOUND)
    for name, one in waits.items():
        print(f"  {name:44} waits {one.share:7.2%} of its time; bound {median(found[BOUND]):,.0f} /s")
    content = {"images": len(images), "batch_size": options.batch, "rounds": options.rounds, "rows": rows}
    print(record("data_bound", content | {"wait_shares": {name: one.share for name, one in waits.items()}}))


if __name__ == "__main__":
    main()
