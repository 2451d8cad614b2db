"""Photos as augmented float32 batches: torchvision's recipe in a DataLoader against decoding and packed pixels here.

JPEG files of trashnet (150 x 150), a random resized crop to 224, a flip, normalization; shuffled batches of 64, all
ways in turn. Those of hasten read a store that is made before: of the bytes of the files, or of pixels at 256 x 256,
which are more to crop from than the recipe gets.

    python -m benchmarks.data.images --data FOLDER [--rounds 10] [--slice 4] [--max-images N]
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.peers import unavailable
from benchmarks.recording import record
from benchmarks.rounds import Way, rates, table
from hasten.data.augmentation.draws import Augment, Draws, augmented
from hasten.data.augmentation.images import Flip, RandomResizedCrop
from hasten.data.augmentation.normalize import Normalize
from hasten.data.loading.decode import in_threads
from hasten.data.loading.loaders import Fetch, gathered
from hasten.data.loading.order import shuffled
from hasten.data.packing.pack_images import pack_images
from hasten.data.sources.archive import read_members
from hasten.data.sources.class_folders import ClassFolders, find_class_folders
from hasten.data.sources.pictures import IMAGE_SUFFIXES
from hasten.data.store.images import StoreImages
from hasten.data.store.pack import pack
from hasten.data.store.reader import StoreSamples, open_store
from hasten.machine.facts import usable_cores

BATCH, SIDE, PACKED = 64, 224, 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHANGES: tuple[Augment, ...] = (RandomResizedCrop(SIDE), Flip())
NORMALIZE = Normalize([255 * number for number in MEAN], [255 * number for number in STD])


class Files(Dataset[tuple[Tensor, int]]):
    """Files that Pillow opens, and torchvision's usual transform of each."""

    def __init__(self, files: list[Path], labels: list[int], transform: Callable[[object], Tensor]) -> None:
        self.files, self.labels, self.transform = files, labels, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        with Image.open(self.files[index]) as image:
            return self.transform(image.convert("RGB")), self.labels[index]


def recipe(files: list[Path], labels: list[int]) -> dict[str, Way]:
    """Return the recipe in a DataLoader with no, one and two workers."""
    from torchvision import transforms

    steps = [transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    data = Files(files, labels, transforms.Compose([*steps, transforms.Normalize(MEAN, STD)]))

    def way(workers: int) -> Way:
        loader = DataLoader(data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        return lambda: (_checked(images) for images, _ in loader)

    return {f"torchvision recipe, {workers} workers": way(workers) for workers in (0, 1, 2)}


def own(fetch: Fetch, count: int) -> Way:
    """Return the way that fetches, augments and normalizes whole batches."""
    epochs = iter(range(1_000_000))

    def epoch() -> Iterator[int]:
        number = next(epochs)
        for ids, batch in fetch(shuffled(count, seed=0, epoch=number)):
            yield _checked(NORMALIZE(augmented(batch, CHANGES, Draws(0, number, ids)))[0])

    return epoch


def unpacked(folders: ClassFolders, folder: Path) -> list[Path]:
    """Write the files of an archive into a folder, since the recipe opens files."""
    files = [folder / member.name for member in folders.members]
    for place, content in read_members(folders.members):
        files[place].parent.mkdir(parents=True, exist_ok=True)
        files[place].write_bytes(content)
    return files


def _checked(images: Tensor) -> int:
    assert images.shape[1:] == (3, SIDE, SIDE), images.shape
    assert images.dtype == torch.float32, images.dtype
    return len(images)


def main() -> None:
    """Time every way in turn, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="images in class folders, or an archive of them")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--slice", type=float, default=4.0, help="long: workers go on into the next turn")
    parser.add_argument("--max-images", type=int)
    options = parser.parse_args()
    found = find_class_folders(options.data, IMAGE_SUFFIXES)
    chosen = torch.randperm(len(found))[: options.max_images].sort().values.numpy()
    folders = replace(found, members=tuple(found.members[i] for i in chosen), labels=found.labels[chosen])
    missing = unavailable("torchvision")
    with TemporaryDirectory() as temporary:
        work = Path(temporary)
        pack(pack_images(folders, form="encoded"), work / "encoded")
        pack(pack_images(folders, size=PACKED), work / "pixels")
        photos = StoreImages(open_store(work / "encoded"))
        pixels = StoreSamples(open_store(work / "pixels"), ("image", "label"))
        ways = {
            "hasten, JPEG": own(in_threads(photos, BATCH, threads=usable_cores()), len(folders)),
            f"hasten, pixels packed at {PACKED}": own(gathered(pixels, BATCH), len(folders)),
        }
        if missing is None:
            ways |= recipe(unpacked(folders, work / "files"), folders.labels.tolist())
        timed = rates(ways, rounds=options.rounds, slice_s=options.slice)
    rows = [
        {"against": base, "rows": table(f"images a second, batches of {BATCH}", timed, against=base)}
        for base in ways
        if base.startswith("torchvision") or (missing is not None and base == "hasten, JPEG")
    ]
    if missing is not None:
        print(f"  {'torchvision recipe':44} not measured: {missing}")
    content = {"images": len(folders), "rounds": options.rounds, "missing": missing, "results": rows}
    print(record("data_images", content))


if __name__ == "__main__":
    main()
