"""Augmentation of whole batches against the same done sample by sample, and against kornia and torchvision if there.

Images are random uint8, 32 x 32 x 3, 256 a batch; the random resized crop takes 256 x 341 down to 224.

    python -m benchmarks.data.augment [--rounds 15] [--slice 0.3]
"""

import argparse
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.peers import unavailable
from benchmarks.recording import record
from benchmarks.rounds import Way, rates, table
from hasten.data.augmentation.color import Brightness, Contrast, Hue, Saturation
from hasten.data.augmentation.draws import Augment, Draws, augmented
from hasten.data.augmentation.images import Erase, Flip, PadCrop, RandomResizedCrop
from hasten.data.augmentation.mixing import CutMix, MixUp
from hasten.data.augmentation.normalize import Normalize
from hasten.data.augmentation.per_sample import change_one
from hasten.data.augmentation.trivial import TrivialAugment
from hasten.data.loading.gather import take

BATCH = 256
NORMALIZE = Normalize((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
CROP_AND_FLIP: tuple[Augment, ...] = (PadCrop(4), Flip())
COLORS: tuple[Augment, ...] = (Brightness(), Contrast(), Saturation(), Hue())


def batches(images: Tensor, size: int, work: Callable[[Tensor], object]) -> Way:
    """Return a way that does `work` on the ids of one batch after the other, of a new order in each epoch."""

    def epoch() -> Iterator[int]:
        for ids in torch.randperm(len(images)).split(size):
            work(ids)
            yield len(ids)

    return epoch


def whole(images: Tensor, changes: tuple[Augment, ...], *, normalize: bool = False) -> Way:
    """Return the batched way: fetch by a gather, then every change on the batch."""
    data = TensorDataset(images, torch.arange(len(images)) % 10)

    def work(ids: Tensor) -> None:
        batch = augmented(take(data, ids), changes, Draws(0, 1, ids))
        if normalize:
            NORMALIZE(batch)

    return batches(images, BATCH, work)


def one_by_one(images: Tensor, changes: tuple[Augment, ...]) -> Way:
    """Return the slow way: every change on every sample, in Python."""

    def work(ids: Tensor) -> None:
        draws = Draws(0, 1, ids)
        for place, index in enumerate(ids.tolist()):
            values = images[index].numpy()
            for number, change in enumerate(changes):
                values = change_one(change, values, draws.of(place).within(number))

    return batches(images, 8, work)


def others(images: Tensor) -> dict[str, Way]:
    """Return crop and flip by the libraries that import here; without the fetch where no loader is named."""
    ways: dict[str, Way] = {}
    floats = images[:BATCH].permute(0, 3, 1, 2).float().div_(255).contiguous()
    if unavailable("kornia") is None:
        from kornia import augmentation

        kornia = torch.nn.Sequential(
            augmentation.RandomCrop((32, 32), padding=4, cropping_mode="slice"), augmentation.RandomHorizontalFlip()
        )
        ways["kornia, batch of float32"] = batches(images, BATCH, lambda ids: kornia(floats[: len(ids)]))
    if unavailable("torchvision") is None:
        from torchvision.transforms import v2

        recipe = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()])
        pictures = images.permute(0, 3, 1, 2).contiguous()
        ways["torchvision v2, sample by sample"] = batches(
            images, BATCH, lambda ids: torch.stack([recipe(pictures[i]) for i in ids.tolist()])
        )
        ways |= in_loader(Changed(pictures, recipe))
    return ways


class Changed(Dataset[tuple[Tensor, int]]):
    """Images in memory, each changed when it is read, as torchvision's own data sets do."""

    def __init__(self, images: Tensor, change: Callable[[Tensor], Tensor]) -> None:
        self.images, self.change = images, change

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.change(self.images[index]), index % 10


def in_loader(data: Dataset[tuple[Tensor, int]]) -> dict[str, Way]:
    """Return the usual recipe: a DataLoader with no, one and two workers, fetch included."""

    def way(workers: int) -> Way:
        loader = DataLoader(data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        return lambda: (len(labels) for _, labels in loader)

    return {f"torchvision v2 in a DataLoader, {workers} workers": way(workers) for workers in (0, 1, 2)}


def main() -> None:
    """Time everything in one run, print the tables, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice", type=float, default=0.3)
    options = parser.parse_args()
    small = torch.randint(0, 256, (20_000, 32, 32, 3), dtype=torch.uint8)
    large = torch.randint(0, 256, (512, 256, 341, 3), dtype=torch.uint8)
    groups: dict[str, tuple[str, dict[str, Way]]] = {
        "crop and flip, 32 x 32 (fetch included in ours)": (
            "sample by sample",
            {
                "batched": whole(small, CROP_AND_FLIP),
                "batched, normalized to float32": whole(small, CROP_AND_FLIP, normalize=True),
                "sample by sample": one_by_one(small, CROP_AND_FLIP),
                **others(small),
            },
        ),
        "others, 32 x 32": (
            "fetch alone",
            {
                "fetch alone": whole(small, ()),
                "erase": whole(small, (Erase(),)),
                "brightness, contrast, saturation": whole(small, COLORS[:3]),
                "brightness, contrast, saturation, hue": whole(small, COLORS),
                "TrivialAugment": whole(small, (TrivialAugment(),)),
                "MixUp": whole(small, (MixUp(10),)),
                "CutMix": whole(small, (CutMix(10),)),
            },
        ),
        "random resized crop to 224 and flip, from 256 x 341": (
            "batched",
            {"batched": whole(large, (RandomResizedCrop(224), Flip()))},
        ),
    }
    results = [
        {"group": title, "rows": table(title, rates(ways, rounds=options.rounds, slice_s=options.slice), against=base)}
        for title, (base, ways) in groups.items()
    ]
    missing = {name: why for name in ("kornia", "torchvision") if (why := unavailable(name)) is not None}
    for name, why in missing.items():
        print(f"  {name:44} not measured: {why}")
    print(record("data_augment", {"rounds": options.rounds, "missing": missing, "results": results}))


if __name__ == "__main__":
    main()
