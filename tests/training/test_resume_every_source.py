"""From every kind of source a run goes on at every step onto the same samples, also in another number of processes."""

import gzip
import tarfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from hasten import Data, Stop, Task
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.batch import Batch
from hasten.data.loading.decode import in_threads
from hasten.data.loading.gather import why_not
from hasten.data.loading.loaders import gathered, per_sample
from hasten.data.loading.order import block_shuffled, sharded
from hasten.data.packing.pack_arrays import pack_arrays
from hasten.data.store.pack import pack
from hasten.data.store.reader import StoreSamples, open_store
from hasten.data.store.windows import StoreWindows
from hasten.tasks import fashion_mnist, images, imdb, shakespeare, tables
from hasten.training.building import build
from hasten.training.position import Position
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.training.step import step

from tiny_tasks import block_task, mlp_task

Seen = dict[int, tuple[torch.Tensor, ...]]


def written_images(folder: Path) -> Path:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    random = np.random.default_rng(0)
    for position in range(30):
        path = folder / ("a", "b")[position % 2] / f"{position}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(random.integers(0, 256, (8, 9, 3)).astype(np.uint8)).save(path)
    return folder


def from_idx(folder: Path) -> Task:
    random = np.random.default_rng(0)
    for name, shape in ((fashion_mnist.IMAGES, (40, 28, 28)), (fashion_mnist.LABELS, (40,))):
        values = random.integers(0, 256, shape) if len(shape) > 1 else np.arange(40) % 10
        head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        (folder / f"{name}.gz").write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))
    return fashion_mnist.task(data=folder)


def from_folders(folder: Path) -> Task:
    return images.task(data=written_images(folder / "photos"))


def from_archive(folder: Path) -> Task:
    with tarfile.open(folder / "photos.tar.gz", "w:gz") as tar:
        tar.add(written_images(folder / "photos"), "photos")
    return images.task(data=folder / "photos.tar.gz")


def from_table(folder: Path) -> Task:
    rows = [f"{position % 7},{('x', 'y')[position % 2]},{('u', 'v')[position % 3 == 0]}" for position in range(40)]
    (folder / "t.csv").write_text("\n".join(["a,b,c", *rows]))
    return tables.task(data=folder / "t.csv")


def from_parquet(folder: Path) -> Task:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pa.table({"x": np.arange(40.0), "y": ["a", "b"] * 20})
    pytest.importorskip("pyarrow.parquet").write_table(table, folder / "t.parquet")
    return tables.task(data=folder / "t.parquet")


def from_texts(folder: Path) -> Task:
    for position in range(40):
        path = folder / "texts" / ("pos", "neg")[position % 2] / f"{position}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"word{position % 5} word{position % 3} some")
    return imdb.task(data=folder / "texts")


def from_prose(folder: Path) -> Task:
    (folder / "t.txt").write_text("to be or not to be, that is the question. " * 20)
    return shakespeare.task(data=folder / "t.txt", size=shakespeare.Size(layers=1, width=8, heads=2, length=16))


def from_store(folder: Path) -> Task:
    values = np.random.default_rng(0).random((40, 5), np.float32)
    pack(pack_arrays({"x": values, "y": np.arange(40) % 2}, source="test"), folder / "store", block_bytes=64)
    samples = StoreSamples(open_store(folder / "store"), ("x", "y"))
    return mlp_task(data=Data(train=samples, valid=samples))


def from_token_store(folder: Path) -> Task:
    from hasten.data.packing.pack_texts import pack_tokens

    tokens = np.random.default_rng(0).integers(0, 11, 300).astype(np.uint16)
    np.save(folder / "tokens.npy", tokens)
    pack(pack_tokens(tokens, folder / "tokens.npy"), folder / "store", block_bytes=64)
    windows = StoreWindows(open_store(folder / "store").stream("tokens"), 7)
    return block_task(data=Data(train=windows, valid=windows))


class Own(Dataset[Any]):
    def __len__(self) -> int:
        return 37

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.arange(index, index + 5) / 40, index % 2


def from_own(folder: Path) -> Task:
    return mlp_task(data=Data(train=Own(), valid=Own()))


SOURCES: list[Callable[[Path], Task]] = [
    from_idx,
    from_folders,
    from_archive,
    from_table,
    from_parquet,
    from_texts,
    from_prose,
    from_store,
    from_token_store,
    from_own,
]


@pytest.fixture(params=SOURCES, ids=lambda make: make.__name__)
def recipe(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(images, "cache_folder", lambda: tmp_path / "cache")
    return baseline(replace(request.param(tmp_path), augment=(changed,), batch_size=8))


def changed(batch: Batch, draws: Draws) -> Batch:
    """Augment samples of any kind: noise for numbers, a hole for tokens."""
    first = batch[0]
    numbers = draws.uniform("any", first[0].numel()).view(first.shape)
    return first + numbers.to(first.dtype) if first.is_floating_point() else first.masked_fill(
        numbers < 0.3, 0
    ), *batch[1:]


def next_samples(run: Session, batches: int) -> Iterator[tuple[int, tuple[torch.Tensor, ...]]]:
    for ids, batch in islice(run.batches(), batches):
        yield from zip(ids.tolist(), zip(*batch, strict=True), strict=True)
        run.advance(len(ids), 0.0)


def assert_same(mine: Any, theirs: Any) -> None:
    count = 0
    for (own_id, own), (other_id, other) in zip(mine, theirs, strict=True):
        assert own_id == other_id
        assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))
        count += 1
    assert count


def test_it_goes_on_at_every_step_with_another_batch_size_loader_and_thread(recipe: Recipe) -> None:
    size = len(recipe.task.data.train)  # type: ignore[arg-type]
    steps = -(-size // 8)
    whole = list(next_samples(build(recipe), 2 * steps))
    loaders = [per_sample, partial(in_threads, threads=2)]
    if why_not(recipe.task.data.train) is None:
        loaders.append(gathered)
    for number in range(steps):
        position = msgspec.json.encode(asdict(Position(step=number, epoch=0, offset=8 * number)))
        assert len(position) < 1024
        batch_size = (8, 3, 16)[number % 3]
        then = replace(
            recipe.input, batch_size=batch_size, loader=loaders[number % len(loaders)], ahead=2 * (number % 2)
        )
        run = build(replace(recipe, input=then))
        run.position = Position(**msgspec.json.decode(position))
        rest = -(-(size - 8 * number) // batch_size)
        assert_same(next_samples(run, rest), whole[8 * number : size])
        assert (run.position.epoch, run.position.offset) == (1, 0)
        assert_same(next_samples(run, 1), whole[size : size + min(batch_size, size)])


def test_it_goes_on_in_another_number_of_processes(recipe: Recipe) -> None:
    run = build(recipe)
    whole = dict(next_samples(build(recipe), -(-run.samples // 8)))
    order = recipe.input.order(run.samples, seed=run.seed, epoch=0)
    for number, batch_ids in enumerate(order.split(8)):
        world = (1, 2, 4)[number % 3]
        seen: Seen = {}
        for rank in range(world):
            own = sharded(batch_ids, rank=rank, world=world)
            for ids, fetched in run.train_fetch(own) if len(own) else ():
                batch = augmented(fetched, recipe.input.augment, Draws(run.seed, 0, ids))
                for prepare in recipe.input.batch_transforms:
                    batch = prepare(batch)
                assert not seen.keys() & set(ids.tolist())
                seen |= dict(zip(ids.tolist(), zip(*batch, strict=True), strict=True))
        assert_same(sorted(seen.items()), sorted((i, whole[i]) for i in batch_ids.tolist()))


def losses(run: Session, count: int) -> list[float]:
    found: list[float] = []
    for ids, batch in islice(run.batches(), count):
        run.set_learning_rate()
        found.append(float(step(run, batch).sum))
        run.advance(len(ids), 0.0)
    return found


@pytest.mark.parametrize("order", ["random", "blocks"])
def test_losses_with_dropout_go_on_at_every_step_bit_for_bit(order: str) -> None:
    recipe = baseline(mlp_task(dropout=0.4, augment=(changed,), stop=Stop(epochs=3)))
    if order == "blocks":
        blocks = partial(block_shuffled, block=4, blocks=3)
        recipe = replace(recipe, input=replace(recipe.input, order=blocks))
    expected = losses(build(recipe), 14)
    for number in range(1, 8):
        run = build(recipe)
        losses(run, number)
        state = deepcopy(run.state())
        other = build(recipe, seed=None)
        torch.rand(7)  # whatever else happened in the new process
        other.load_state(state)
        assert losses(other, 14 - number) == expected[number:]
