"""Shuffled batches without augmentation: torch's DataLoader against a gather, from memory and from a store.

Four shapes: CIFAR (50,000 x 32 x 32 x 3 uint8), Fashion-MNIST (60,000 x 28 x 28 uint8), tokens (windows of 256 uint16,
64 a batch) and a table (1,000,000 x 32 float32). The contents are random; the files are warm. 10,000 images of CIFAR
shape are also fetched by the peers of `peer_loaders.py` that are installed (`pip install torchdata litdata webdataset
grain datasets`), beside all other ways on the same images.

    python -m benchmarks.data.fetch [--rounds 15] [--slice 0.4] [--scale 1.0]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.data.peer_loaders import installed
from benchmarks.recording import record
from benchmarks.rounds import Way, rates, table
from hasten.data.datasets import Windows
from hasten.data.loading.loaders import Fetched, gathered
from hasten.data.loading.order import shuffled
from hasten.data.loading.prefetch import prefetched
from hasten.data.packing.pack_arrays import pack_arrays
from hasten.data.packing.pack_texts import pack_tokens
from hasten.data.store.pack import pack
from hasten.data.store.reader import StoreSamples, open_store
from hasten.data.store.windows import StoreWindows

CONTEXT = 256  # tokens of a window
FOR_PEERS = "cifar, 10,000"  # so few, because writing the formats of the peers is slow


@dataclass(frozen=True)
class Shape:
    """One kind of data: in memory, in a store, and how much a sample counts."""

    name: str
    memory: Dataset[Any]
    store: Dataset[Any]
    batch_size: int
    unit: str
    per_sample: int = 1


def shapes(folder: Path, scale: float) -> Iterator[Shape]:
    """Yield the kinds of data, `scale` times as long as they are."""
    random = np.random.default_rng(0)

    def of(name: str, values: np.ndarray, target: np.ndarray) -> Shape:
        arrays = {"x": values, "y": target}
        pack(pack_arrays(arrays, source=name), folder / name)
        store = StoreSamples(open_store(folder / name), ("x", "y"))
        return Shape(name, TensorDataset(torch.from_numpy(values), torch.from_numpy(target)), store, 256, "samples")

    color, gray = (32, 32, 3), (28, 28)
    for name, count, size in ((FOR_PEERS, 10_000, color), ("cifar", 50_000, color), ("fashion-mnist", 60_000, gray)):
        count = int(count * scale)
        yield of(name, random.integers(0, 256, (count, *size), np.uint8), random.integers(0, 10, count))
    count = int(1_000_000 * scale)
    yield of("table", random.standard_normal((count, 32), np.float32), random.integers(0, 2, count))
    tokens = random.integers(0, 50_000, int(20_000_000 * scale), np.uint16)
    source = folder / "tokens.npy"
    np.save(source, tokens)
    packing = pack_tokens(tokens, source)
    pack(packing, folder / "tokens")
    stream = open_store(folder / "tokens").stream(packing.columns[0].name)
    yield Shape(
        "tokens", Windows(torch.from_numpy(tokens), CONTEXT), StoreWindows(stream, CONTEXT), 64, "tokens", CONTEXT
    )


def ways(shape: Shape) -> dict[str, Way]:
    """Return every way to fetch data of this kind."""
    count, epoch = len(shape.memory), [0]

    def ids() -> torch.Tensor:
        epoch[0] += 1
        return shuffled(count, seed=0, epoch=epoch[0])

    def counted(stream: Iterator[Fetched]) -> Iterator[int]:
        return (len(own) * shape.per_sample for own, _ in stream)

    def loader(workers: int) -> Way:
        made = DataLoader(
            shape.memory, shape.batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
        return lambda: (len(batch[-1]) * shape.per_sample for batch in made)

    memory, store = (gathered(data, shape.batch_size) for data in (shape.memory, shape.store))
    return {f"DataLoader, {workers} workers": loader(workers) for workers in (0, 1, 2)} | {
        "gather from memory": lambda: counted(memory(ids())),
        "gather from the store": lambda: counted(store(ids())),
        "gather from the store, prefetched": lambda: counted(prefetched(store(ids()), 3)),
    }


def main() -> None:
    """Time every way on every shape, print the tables, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--slice", type=float, default=0.4)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    measure = partial(rates, rounds=options.rounds, slice_s=options.slice)
    results: list[dict[str, object]] = []
    with TemporaryDirectory() as folder:
        missing: dict[str, str] = {}
        for shape in shapes(Path(folder), options.scale):
            peers: dict[str, Way] = {}
            if shape.name == FOR_PEERS:
                arrays = (column.numpy() for column in shape.memory.tensors)
                peers, missing = installed(*arrays, Path(folder) / "peers", shape.batch_size)
            found = measure(ways(shape) | peers)
            title = f"{shape.name}, {shape.unit} a second, batches of {shape.batch_size}"
            rows = table(title, found, against="DataLoader, 0 workers")
            results.append({"shape": shape.name, "unit": shape.unit, "batch_size": shape.batch_size, "rows": rows})
    for name, why in missing.items():
        print(f"  {name:44} not measured: {why}")
    content = {"rounds": options.rounds, "scale": options.scale, "missing": missing, "results": results}
    print(record("data_fetch", content))


if __name__ == "__main__":
    main()
