"""What defines a training: two runs of equal identity are the same training, and one may resume the other."""

import hashlib
import itertools
import platform
import re
import weakref
from dataclasses import asdict
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, default_collate, default_convert

from hasten.base.records.plan import Plan
from hasten.data.batch import nbytes_of, tensors_of
from hasten.data.loading.gather import take, why_not
from hasten.data.loading.given import Given
from hasten.data.loading.given_loader import draws
from hasten.data.loading.streams import Stream
from hasten.training.description import described, described_layer
from hasten.training.recipe import training_of, validation_of
from hasten.training.session import Session

_ALL_OF_BYTES = 2**24
_SAMPLES = 1024  # of data that are larger

_first_seen: dict[int, tuple[Any, str]] = {}


def identity(run: Session, plan: Plan) -> dict[str, Any]:
    """Return everything that must be equal for a run to resume from a checkpoint.

    Call it before the first step: a loss with memory is described as it is. Data that can be gathered are compared by a
    hash of their content (of 1024 samples where they exceed 16 MiB), others by what their data set object holds, since
    reading them may take long or draw random numbers.
    """
    task, recipe = run.recipe.task, run.recipe
    return {
        "task": task.name,
        "seed": run.seed,
        "training samples": run.samples,
        "training data": _data(training_of(task)),
        "validation data": _data(validation_of(task)),
        "steps per epoch": task.data.steps_per_epoch,
        "own evaluation": _object(task.validate),
        "batch size": recipe.input.batch_size,
        "augmentation": [_object(one) for one in task.augment],
        "batch transforms": [_object(one) for one in task.batch_transforms],
        "loss": _object(task.loss),
        "predict": _object(task.predict),
        "objective": _object(task.objective),
        "own step": _object(task.step),
        "metric": _object(task.metric),
        "optimizer": ", ".join(type(one).__name__ for one in run.optimizers.values()),
        "learning rate": str([float(rate) for rate in run.base_lrs]),
        "optimizer options": [described(options) for options in run.options],
        "schedule": _object(task.update.schedule),
        "uses": described(task.uses),
        "techniques": ", ".join(f"{one.technique}{dict(one.knobs) or ''}" for one in plan.choices) or "none",
        "parameters": [f"{name} {list(value.shape)}" for name, value in run.model.named_parameters()],
        "layers": [f"{name or 'model'}: {described_layer(module)}" for name, module in run.model.named_modules()],
    }


def stop_rules(run: Session) -> dict[str, Any]:
    """Return when the run ends, which a resumed run may change."""
    return asdict(run.recipe.task.stop)


def environment(run: Session) -> dict[str, Any]:
    """Return what may change the rounding of a resumed run, but not what is trained."""
    return {
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "device": run.recipe.parallel.device,
        "instruction set": torch.backends.cpu.get_cpu_capability(),
    }


def differences(saved: dict[str, Any], current: dict[str, Any], *, code: bool = True) -> list[str]:
    """Return what differs between two of the above, each with both values.

    Args:
        saved: of the checkpoint.
        current: of the run that is to go on.
        code: whether a function's code counts; not between versions of Python, which compile it differently.
    """
    pairs = {key: (_comparable(saved.get(key), code), _comparable(current[key], code)) for key in current}
    return [_difference(key, before, now) for key, (before, now) in pairs.items() if before != now]


def _comparable(value: Any, code: bool) -> Any:
    if isinstance(value, list):
        return [_comparable(item, code) for item in value]
    return value if code or not isinstance(value, str) else re.sub(r" \(code \w+\)", "", value)


def _difference(what: str, saved: Any, current: Any) -> str:
    """Return both values; of lists, the first entry that differs."""
    if isinstance(saved, list) and isinstance(current, list):
        pairs = itertools.zip_longest(saved, current, fillvalue="none")
        saved, current = next(pair for pair in pairs if pair[0] != pair[1])
    return f"{what}: {saved} in the checkpoint, {current} now"


def _object(value: Any) -> str:
    """Describe an object as it was when this process first saw it: training may change it, but not what it is."""
    try:
        reference = weakref.ref(value)
    except TypeError:  # a string, a tuple: cannot change
        return described(value)
    held, text = _first_seen.get(id(value), (lambda: None, ""))
    if held() is not value:
        text = described(value)
        _first_seen[id(value)] = (reference, text)
    return text


def _data(given: Given | None) -> str:
    """Describe data by how they are read, the number of samples, and a hash of their content where it can be gathered.

    Batches of a stream are not read.
    """
    if given is None:
        return "none"
    if isinstance(given, Stream):
        source = given.source
        return f"a stream: {_loader(source) if isinstance(source, DataLoader) else _object(source)}"
    how = f", {_loader(given.given)}" if given.given is not None else ""
    if given.given is None and given.collate is not default_collate:
        how = f", collated by {_object(given.collate)}"
    return f"{_content(given.dataset)}{how}"


def _loader(loader: DataLoader[Any]) -> str:
    """Describe what decides the batches of a `DataLoader` beside its data set."""
    parts: dict[str, Any] = {
        "sampler": loader.sampler if isinstance(loader.batch_sampler, BatchSampler | None) else loader.batch_sampler,
        "collate_fn": None if loader.collate_fn in (default_collate, default_convert) else loader.collate_fn,
        "drop_last": loader.drop_last or None,
    }
    is_stream = isinstance(loader.dataset, IterableDataset)
    if is_stream or draws(loader):  # what a worker draws depends on how many there are
        parts["num_workers"] = loader.num_workers
    if is_stream:
        parts["dataset"] = loader.dataset
    return ", ".join(f"{name} {_object(value)}" for name, value in parts.items() if value is not None)


def _content(dataset: Dataset[Any]) -> str:
    samples = len(dataset)  # type: ignore[arg-type]
    if why_not(dataset) is not None:
        return f"{samples} samples, {_object(dataset)}"
    first = take(dataset, torch.zeros(min(samples, 1), dtype=torch.int64))
    several = samples * nbytes_of(first) > _ALL_OF_BYTES
    # whole numbers all the way: float32 cannot tell samples apart above 2^24
    ids = torch.arange(_SAMPLES) * (samples - 1) // (_SAMPLES - 1) if several else torch.arange(samples)
    digest = hashlib.sha256()
    for column in tensors_of(take(dataset, ids)):
        digest.update(f"{column.dtype} {tuple(column.shape)} ".encode())
        digest.update(column.contiguous().flatten().view(torch.uint8).numpy().data)
    return f"{samples} samples, {digest.hexdigest()[:12]}"
