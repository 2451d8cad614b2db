"""Trainings whose data are dear for one planted reason, each beside itself without it; some whose data are cheap."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset, default_collate

from benchmarks.data.integrity_stores import smooth_picture
from benchmarks.data.slow_data import (
    BATCH,
    SAMPLES,
    WIDTH,
    WORKERS,
    Encoded,
    FromPixels,
    InFields,
    Noise,
    Scored,
    Sometimes,
    Uneven,
    joined,
    on_eight,
    one_by_one_copied,
    row_by_row,
    through_lists,
    usual,
)
from benchmarks.profiling.faults import Reading, spin, wide
from benchmarks.profiling.workloads import convolutional, features, task, with_loader
from hasten import Data
from hasten.data.loading.loaders import Loader, gathered, per_sample
from hasten.data.loading.order import sequential
from hasten.training.recipe import Recipe, baseline

Make = Callable[[], Recipe]


@dataclass(frozen=True)
class Case:
    """A training, the cause that must be named, and the same training without it.

    Args:
        name: of the case.
        recipe: builds the training.
        cause: how the place that the first finding names must begin; empty where data are cheap.
        remedy: builds the training without the cause; None where data are cheap.
        word: what the verdict must hold, too.
    """

    name: str
    recipe: Make
    cause: str = ""
    remedy: Make | None = None
    word: str = ""


def plain(model: Callable[[], nn.Module] = wide, *, batch: int = BATCH, loader: Loader = gathered) -> Recipe:
    """Return a training on 256 features that are in memory."""
    return with_loader(baseline(task("features", features(SAMPLES, WIDTH), model, batch=batch)), loader)


def over(recipe: Recipe, dataset: Dataset[Any], loader: Loader = per_sample) -> Recipe:
    """Return the recipe with other training data."""
    data = Data(train=dataset, valid=recipe.task.data.valid)
    return with_loader(replace(recipe, task=replace(recipe.task, data=data)), loader)


def reading(work: Callable[[], object]) -> Recipe:
    """Return the training whose samples take some work to read."""
    made = plain()
    return over(made, Reading(made.task.data.train, work))


def pictures(side: int, form: str, channels: int, *, decoded: bool, count: int = 512) -> Recipe:
    """Return a small CNN on pictures that are in memory, encoded or decoded once."""
    from PIL import Image

    random, contents = np.random.default_rng(0), list[bytes]()
    for _ in range(count):
        content = io.BytesIO()
        Image.fromarray(smooth_picture(random, side)).save(content, form)
        contents.append(content.getvalue())
    read = Encoded(contents, torch.arange(count) % 10)
    columns = default_collate([read[index] for index in range(count)])
    model = lambda: nn.Sequential(FromPixels(), convolutional(channels))  # noqa: E731
    made = task("pictures", features(64, 1), model, batch=32)
    recipe = baseline(replace(made, data=Data(train=read, valid=TensorDataset(columns[0][:32], columns[1][:32]))))
    return over(recipe, TensorDataset(*columns), gathered) if decoded else with_loader(recipe, per_sample)


def in_fields(fields: int) -> Recipe:
    """Return the training whose samples come in so many fields."""
    made = plain()
    split = over(made, InFields(made.task.data.train, fields))  # type: ignore[arg-type]
    rows, labels = made.task.data.valid.tensors  # type: ignore[attr-defined]
    data = replace(split.task.data, valid=TensorDataset(*rows.chunk(fields, 1), labels))
    return replace(split, task=replace(split.task, data=data), input=replace(split.input, batch_transforms=(joined,)))


def changed(**changes: Any) -> Recipe:
    """Return the training with augmentation or preparation."""
    made = plain()
    return replace(made, input=replace(made.input, **changes))


def tiny(loader: Loader, model: Callable[[], nn.Module]) -> Recipe:
    """Return a training on many samples of eight numbers."""
    made = baseline(task("tiny", features(1 << 17, 8), model, batch=BATCH))
    return with_loader(made, loader)


def uneven(seconds: float, *, spread: bool) -> Recipe:
    """Return a training in the order of its data, whose dear samples all come to one worker, or are spread."""
    made = tiny(gathered, partial(on_eight, 256))
    made = over(made, Uneven(made.task.data.train, seconds, spread=spread), usual(num_workers=WORKERS))
    return replace(made, input=replace(made.input, order=_in_order))


def _in_order(num_samples: int, *, seed: int, epoch: int) -> Tensor:
    return sequential(num_samples)


def ahead(recipe: Recipe, depth: int = 2) -> Recipe:
    """Make batches ahead in a thread."""
    return replace(recipe, input=replace(recipe.input, ahead=depth))


def _decoded(side: int, form: str, channels: int, name: str) -> Case:
    make = partial(pictures, side, form, channels)
    return Case(name, partial(make, decoded=False), "input: computing", partial(make, decoded=True))


PLANTED: tuple[Case, ...] = (
    Case("a disk that is now and then slow", lambda: reading(Sometimes(5e-4, 16)), "input: waiting", plain),
    Case("a slow disk", lambda: reading(partial(time.sleep, 1e-4)), "input: waiting", plain),
    Case("a very slow disk", lambda: reading(partial(time.sleep, 6e-4)), "input: waiting", plain),
    _decoded(32, "JPEG", 16, "JPEG of 32 x 32, larger CNN"),
    _decoded(32, "JPEG", 8, "JPEG of 32 x 32, small CNN"),
    _decoded(96, "JPEG", 16, "JPEG of 96 x 96"),
    _decoded(64, "PNG", 16, "PNG of 64 x 64"),
    Case("collates through lists", lambda: plain(loader=usual(collate_fn=through_lists)), "input: collating", plain),
    Case("collates part by part", lambda: plain(loader=usual(collate_fn=one_by_one_copied)), "input: collating", plain),
    Case("samples of 32 fields", lambda: in_fields(32), "input: collating", plain),
    Case("samples of 128 fields", lambda: in_fields(128), "input: collating", plain),
    Case("Python computes 60 features", lambda: over(plain(), Scored(60)), "input: computing", plain, "scores"),
    Case("Python computes all features", lambda: over(plain(), Scored(WIDTH)), "input: computing", plain, "scores"),
    Case("spins for every sample", lambda: reading(partial(spin, 3e-5)), "input: computing", plain, "spin"),
    Case("a slow augmentation", lambda: changed(augment=(Noise(6),)), "input: Noise", plain, "Noise"),
    Case("a mild augmentation", lambda: changed(augment=(Noise(2),)), "input: Noise", plain, "Noise"),
    Case("works row by row", lambda: changed(batch_transforms=(row_by_row,)), "input: row_by_row", plain, "row_by_row"),
    Case("tiny samples, 1 worker", lambda: tiny(usual(num_workers=1), partial(on_eight, 128)), "input: workers",
         lambda: tiny(gathered, partial(on_eight, 128))),
    Case("tiny samples, 2 workers", lambda: tiny(usual(num_workers=2), partial(on_eight, 64)), "input: workers",
         lambda: tiny(gathered, partial(on_eight, 64))),
    Case("one worker has the work", lambda: uneven(3e-4, spread=False), "input: one worker",
         lambda: uneven(3e-4, spread=True)),
)  # fmt: skip

HEALTHY: tuple[Case, ...] = (
    Case("batches gathered from memory", lambda: plain(partial(wide, 1024))),
    Case("one by one, for a large step", lambda: plain(partial(wide, 2048), loader=per_sample)),
    Case("pictures, decoded once", partial(pictures, 32, "JPEG", 32, decoded=True)),
    Case("JPEG, decoded ahead", lambda: ahead(pictures(32, "JPEG", 64, decoded=False))),
    Case("one worker, for a large step", lambda: over(plain(partial(wide, 2048)), TensorDataset(
        *plain().task.data.train.tensors), usual(num_workers=1))),
)  # fmt: skip
