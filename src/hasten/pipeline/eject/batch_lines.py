"""The functions of a script that read batches and prepare them."""

from hasten.base.errors import Refused
from hasten.data.augmentation.draws import Draws
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.copying import Import, indented
from hasten.pipeline.eject.parts import Parts

_TENSORS = "tuple(column[ids] for column in data.tensors)"
_OWN = "generator=torch.Generator()"
_ENDLESS = '    """Yield training batches without end, epoch after epoch."""'


def batch_functions(parts: Parts) -> list[str]:
    """Return the functions that read, augment and prepare batches."""
    parts.copier.imports.add(Import("collections.abc", "Iterator"))
    made = [
        _order(parts),
        _seeded_batch(parts),
        _augmented(parts),
        _train_batches(parts),
        _valid_batches(parts) if parts.reading.has_valid else "",
        _prepared(parts),
    ]
    if "DataLoader" in "".join(made):
        parts.copier.imports.add(Import("torch.utils.data", "DataLoader"))
    return [one for one in made if one]


def _order(parts: Parts) -> str:
    if parts.full_batch or parts.reading.train_pass:
        return ""
    lines = [expr for block in parts.blocks if (expr := block.source.order)]
    if not lines:
        parts.copier.need("hasten.base.seeds", "derive")
        lines = ['torch.randperm(samples, generator=torch.Generator().manual_seed(derive(SEED, "order", epoch)))']
    doc = '    """Return the ids of an epoch in its order, a function of the seed and the epoch."""'
    body = [*parts.comments("order"), f"return {lines[-1]}"]
    return "\n".join(["def epoch_order(samples: int, epoch: int) -> Tensor:", doc, *indented(body)])


def _augmented(parts: Parts) -> str:
    if not parts.augment:
        return ""
    if parts.reading.train_pass:
        raise Refused(
            "Task.augment cannot be written out beside data that make their own batches: the random numbers of a "
            "sample depend on its number, which such batches do not have"
        )
    parts.copier.copy(Draws)
    lines = [
        *parts.comments("augment"),
        f"batch, draws = {parts.objective.calling.moved}, Draws(SEED, epoch, ids)",
        *(f"batch = {change}(batch, draws.within({place}))" for place, change in enumerate(parts.augment)),
        "return batch",
    ]
    doc = '    """Return a training batch, changed by random numbers that depend on seed, epoch and sample."""'
    head = f"def augmented(batch: Any, epoch: int, ids: Tensor) -> {parts.batch_type}:"
    return "\n".join([head, doc, *indented(lines)])


def _seeded_batch(parts: Parts) -> str:
    """Return the function that reads samples that draw random numbers."""
    ours = parts.reading
    if not (ours.train_draws or ours.valid_draws):
        return ""
    parts.copier.imports |= {Import("numpy", alias="np"), Import("random")}
    parts.copier.need("hasten.base.seeds", "derive")
    parts.copier.copy(plain.preserved)
    collate = ours.collate or "default_collate"
    if not ours.collate:
        parts.copier.imports.add(Import("torch.utils.data", "default_collate"))
    lines = [
        "seed = derive(seed, int(ids[0]))",
        "with preserved():",
        *indented([*dict.fromkeys([*ours.train_draws, *ours.valid_draws])]),
        f"    return {collate}([data[i] for i in ids.tolist()])",
    ]
    doc = '    """Return the batch of some samples, whose random numbers depend on the seed and the first id alone."""'
    return "\n".join(["def seeded_batch(data: Any, ids: Tensor, seed: int) -> Any:", doc, *indented(lines)])


def _train_batches(parts: Parts) -> str:
    if parts.by_epoch:
        doc = '    """Yield the training batches of one epoch."""'
        lines = parts.reading.train_pass.split("\n")
        return "\n".join(["def train_batches(data: Any) -> Iterator[Any]:", doc, *indented(lines)])
    if parts.reading.train_pass:
        *before, last = parts.reading.train_pass.split("\n")
        lines = [*before, "while True:", f"    {last}"]
    elif parts.full_batch:
        options = f"{_OWN}{parts.reading.options}"
        lines = [f"batch = next(iter(DataLoader(data, BATCH_SIZE, {options})))  # all samples, in every step"]
        if parts.augment:
            each = ["yield augmented(batch, epoch, torch.arange(len(data)))"]
            lines += ["for epoch in itertools.count():", *indented(each)]
        else:
            lines += ["while True:", *indented(["yield batch"])]
    else:
        lines = ["for epoch in itertools.count():", *indented(_epoch(parts))]
    return "\n".join(["def train_batches(data: Any) -> Iterator[Any]:", _ENDLESS, *indented(lines)])


def _epoch(parts: Parts) -> list[str]:
    """Return the lines that yield the batches of an epoch, read by their numbers."""
    if parts.reading.train_draws:
        batch = 'seeded_batch(data, ids, derive(SEED, "samples", epoch))'
        each = f"augmented({batch}, epoch, ids)" if parts.augment else batch
        return ["for ids in epoch_order(len(data), epoch).split(BATCH_SIZE):", *indented([f"yield {each}"])]
    if taken := _taken(parts):
        each = f"augmented({taken}, epoch, ids)" if parts.augment else taken
        inner = [*parts.comments("fetch"), f"yield {each}"]
        return ["for ids in epoch_order(len(data), epoch).split(BATCH_SIZE):", *indented(inner)]
    options = f"{_OWN}{parts.reading.options}"
    why = "# A generator of its own: the loader must not draw from the model's random numbers."
    if not parts.augment:
        loader = f"DataLoader(data, BATCH_SIZE, sampler=order, {options})"
        return ["order = epoch_order(len(data), epoch).tolist()", why, f"yield from {loader}"]
    return [
        "order = epoch_order(len(data), epoch)",
        why,
        f"batches = DataLoader(data, BATCH_SIZE, sampler=order.tolist(), {options})",
        "for ids, batch in zip(order.split(BATCH_SIZE), batches, strict=True):",
        *indented(["yield augmented(batch, epoch, ids)"]),
    ]


def _valid_batches(parts: Parts) -> str:
    size = "VALID_BATCH_SIZE" if parts.valid_batch_size != parts.batch_size else "BATCH_SIZE"
    taken = _taken(parts)
    if parts.reading.valid_pass:
        body = parts.reading.valid_pass.split("\n")
    elif parts.reading.valid_draws:
        body = [f"for ids in torch.arange(len(data)).split({size}):", "    yield seeded_batch(data, ids, 0)"]
    elif taken:
        body = [f"for ids in torch.arange(len(data)).split({size}):", *indented([f"yield {taken}"])]
    else:
        body = [f"yield from DataLoader(data, {size}, {_OWN}{parts.reading.options})"]
    doc = '    """Yield the validation data in their own order."""'
    return "\n".join(["def valid_batches(data: Any) -> Iterator[Any]:", doc, *indented(body)])


def _taken(parts: Parts) -> str:
    """Return the expression that takes a batch by its ids; empty where a `DataLoader` reads."""
    fetch = [block.source.fetch for block in parts.blocks if block.source.fetch]
    return _TENSORS if fetch and parts.samples.saved else fetch[-1] if fetch else ""


def _prepared(parts: Parts) -> str:
    moved = parts.objective.calling.moved
    if "to_device(" in moved:
        parts.copier.copy(plain.to_device)
    lines = [f"batch = {moved}", *(f"batch = {one}(batch)" for one in parts.prepare), *parts.lines("prepare")]
    doc = '    """Return a batch on the device, as the model takes it."""'
    lines = [f"return {moved}"] if len(lines) == 1 else [*lines, "return batch"]
    return "\n".join([f"def prepared(batch: Any) -> {parts.batch_type}:", doc, *indented(lines)])
