"""Shuffled batches of small images from other libraries' loaders, each from its own format, in this process.

Each function takes images (count, 32, 32, 3) uint8, labels (count,) int64, an empty folder and the batch size, writes
what its library reads, and returns the way that makes one epoch.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import TensorDataset

from benchmarks.peers import unavailable
from benchmarks.rounds import Way

Peer = Callable[[np.ndarray, np.ndarray, Path, int], Way]
SHARD_BYTES = 2**26


def stateful_loader(images: np.ndarray, labels: np.ndarray, folder: Path, batch_size: int) -> Way:
    """Return torchdata's StatefulDataLoader on tensors in memory."""
    from torchdata.stateful_dataloader import StatefulDataLoader

    data = TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    loader = StatefulDataLoader(data, batch_size, shuffle=True)
    return lambda: (len(batch[1]) for batch in loader)


def litdata(images: np.ndarray, labels: np.ndarray, folder: Path, batch_size: int) -> Way:
    """Return litdata's streaming loader on its own chunks."""
    from litdata.streaming import StreamingDataLoader, StreamingDataset
    from litdata.streaming.cache import Cache

    cache = Cache(str(folder), chunk_bytes=SHARD_BYTES)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        cache[index] = (image, int(label))
    cache.done()
    cache.merge()
    loader = StreamingDataLoader(StreamingDataset(str(folder), shuffle=True), batch_size=batch_size)
    return lambda: (len(batch[1]) for batch in loader)


def webdataset(images: np.ndarray, labels: np.ndarray, folder: Path, batch_size: int) -> Way:
    """Return webdataset's pipeline on a tar file, shuffled in a buffer of 1000."""
    import webdataset as wds

    path = folder / "images.tar"
    with wds.TarWriter(str(path)) as writer:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            writer.write({"__key__": f"{index:08d}", "x.npy": image, "y.cls": int(label)})
    data = wds.WebDataset(str(path), shardshuffle=False).shuffle(1000).decode().to_tuple("x.npy", "y.cls")
    return lambda: (len(batch[1]) for batch in data.batched(batch_size))


def grain(images: np.ndarray, labels: np.ndarray, folder: Path, batch_size: int) -> Way:
    """Return grain's map data set on arrays in memory."""
    from grain.python import MapDataset

    class Source:
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"x": images[index], "y": labels[index]}

    data = MapDataset.source(Source()).shuffle(seed=0).batch(batch_size)

    def epoch() -> Iterator[int]:
        return (len(batch["y"]) for batch in data.to_iter_dataset())

    return epoch


def hugging_face(images: np.ndarray, labels: np.ndarray, folder: Path, batch_size: int) -> Way:
    """Return Hugging Face's data set on an Arrow file, as tensors."""
    from datasets import Array3D, Dataset, Features, Value

    features = Features({"x": Array3D(images.shape[1:], "uint8"), "y": Value("int64")})
    data = Dataset.from_dict({"x": images, "y": labels}, features=features).with_format("torch")
    seeds = iter(range(1_000_000))
    return lambda: (len(batch["y"]) for batch in data.shuffle(seed=next(seeds)).iter(batch_size))


PEERS: dict[str, tuple[str, Peer]] = {
    "StatefulDataLoader, 0 workers": ("torchdata", stateful_loader),
    "litdata": ("litdata", litdata),
    "webdataset": ("webdataset", webdataset),
    "grain": ("grain", grain),
    "Hugging Face datasets": ("datasets", hugging_face),
}


def installed(images: np.ndarray, labels: np.ndarray, folder: Path, batch_size: int) -> tuple[dict[str, Way], dict]:
    """Return name -> way of the peers that import here, and name -> why of those that do not."""
    missing = {name: why for name, (module, _) in PEERS.items() if (why := unavailable(module)) is not None}
    ways: dict[str, Way] = {}
    for name, (module, peer) in PEERS.items():
        if name not in missing:
            (folder / module).mkdir(parents=True)
            ways[name] = peer(images, labels, folder / module, batch_size)
    return ways, missing
