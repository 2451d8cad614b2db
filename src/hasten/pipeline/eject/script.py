"""Writes one plain PyTorch script, in the order of the stages."""

import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hasten.base.errors import Refused
from hasten.pipeline.eject.copying import Copier, Import, free_names, indented, renamed
from hasten.pipeline.eject.objective import Objective
from hasten.pipeline.eject.quality import Metric
from hasten.pipeline.eject.samples import Samples
from hasten.pipeline.eject.updating import Updating
from hasten.techniques.source import Place, Source

WIDTH = 116
_MAIN_SLOTS: tuple[Place, ...] = (
    "settings", "order", "fetch", "batches", "model", "forward", "prepare", "curriculum", "context", "gradient",
    "update", "evaluation",
)  # fmt: skip
_CALLED = {"model": "build_model", "optimizer": "build_optimizer", "scheduler": "build_scheduler"}
"""Names of functions that are variables of the script -> what they are called in it."""
_LONGEST = 105  # characters of the line that prints
_TENSORS = "tuple(column[ids] for column in data.tensors)"
_OWN = "generator=torch.Generator()"


@dataclass(frozen=True)
class Block:
    """A technique in the script: its name, its comment and its lines."""

    name: str
    comment: str
    source: Source

    @property
    def place(self) -> Place:
        """Where the comment stands: at the first of its lines, in the order of the script."""
        if self.source.at is not None:
            return self.source.at
        return next(slot for slot in _MAIN_SLOTS if getattr(self.source, slot))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a script makes batches of what `load` returns.

    Args:
        options: further arguments of the `DataLoader` that reads samples by number.
        train_pass: statement that yields a pass over training data that make their own batches; empty for samples that
            are read by number.
        valid_pass: likewise for the validation data.
        has_valid: whether there are validation data, and not only an evaluation of the person's own.
    """

    options: str = ""
    train_pass: str = ""
    valid_pass: str = ""
    has_valid: bool = True


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a script is written from."""

    title: str
    notes: Sequence[str]
    device: str
    seed: int
    batch_size: int
    valid_batch_size: int
    micro_batch: int | None
    full_batch: bool
    reading: Reading
    steps: int | None
    evaluate_every: int
    steps_per_epoch: int
    seconds: float | None
    target: float | None
    patience: int | None
    samples: Samples
    model: str
    objective: Objective
    metric: Metric
    updating: Updating
    prepare: Sequence[str]
    blocks: Sequence[Block]
    copier: Copier = field(default_factory=Copier)


def script(parts: Parts) -> str:
    """Return the text of the script."""
    return _Writer(parts).text()


class _Writer:
    """Puts the parts together; every method returns the lines of one piece of the script."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.copier = parts, parts.copier
        for one in (Import("torch"), Import("torch", "Tensor"), Import("torch", "nn"), Import("typing", "Any")):
            self.copier.imports.add(one)
        self.copier.imports |= parts.samples.copier.imports
        for block in parts.blocks:
            for statement in block.source.imports:
                self.copier.statement(statement)
            for value in block.source.copies:
                self.copier.copy(value)

    def text(self) -> str:
        functions = [
            self._order(), self._batches(), self._prepared(), self._loss(), self._evaluate(), self._main(),
        ]  # fmt: skip
        own = [*self.parts.updating.definitions, *self._definitions(), *filter(None, functions)]
        both = (self.parts.samples.copier.pieces, self.copier.pieces)
        pieces = {(name, text): text for one in both for (_, name), text in one.items()}  # a file may be imported twice
        taken = _defined(own)
        own_text, copied = "\n".join(own), list(pieces.values())
        for name, _ in pieces:
            other = _CALLED.get(name) or (f"{name}_of_task" if name in taken else name)
            if other != name:
                copied = [renamed(piece, name, other) for piece in copied]
        definition = self.parts.samples.definition
        later = _defined(copied)
        constants = [one for one in copied if not _is_definition(one) and not free_names(one)[0] & later]
        definitions = [piece for piece in copied if piece not in constants]
        body = "\n".join([*copied, definition, own_text])
        end = 'if __name__ == "__main__":\n    main()'
        ours = self._constants(body)
        imports = _imports(_used(self.copier.imports, "\n".join([body, ours])))
        head = "\n\n".join(filter(None, [self._docstring(), imports, ours, "\n".join(constants)]))
        return "\n\n\n".join([head, *definitions, definition, *own, end]) + "\n"

    def _docstring(self) -> str:
        notes = [
            textwrap.fill(note, WIDTH, subsequent_indent="        " if note.startswith(" ") else "")
            for note in self.parts.notes
        ]
        return "\n".join([f'"""{self.parts.title}', "", *notes, '"""']) if notes else f'"""{self.parts.title}"""'

    def _constants(self, body: str) -> str:
        ours = self.parts
        epochs = (
            f"  # {ours.steps / ours.steps_per_epoch:.3g} epochs of {ours.steps_per_epoch} steps" if ours.steps else ""
        )
        lines = [
            *ours.samples.constants,
            f'DEVICE = "{ours.device}"',
            f"SEED = {ours.seed}",
            *self._comments("batch"),
            f"BATCH_SIZE = {ours.batch_size}" if re.search(r"\bBATCH_SIZE\b", body) else "",
            f"VALID_BATCH_SIZE = {ours.valid_batch_size}" if "VALID_BATCH_SIZE" in body else "",
            f"MICRO_BATCH = {ours.micro_batch}" if ours.micro_batch is not None else "",
            f"LR = {ours.updating.lr!r}" if re.search(r"\bLR\b", body) else "",
            f"STEPS = {ours.steps}{epochs}" if ours.steps is not None else "",
            f"SECONDS = {ours.seconds!r}" if ours.seconds is not None else "",
            f"EVALUATE_EVERY = {ours.evaluate_every}  # steps",
            f"TARGET = {ours.target!r}  # {ours.metric.name} that is good enough" if ours.target is not None else "",
            f"PATIENCE = {ours.patience}  # evaluations without a better {ours.metric.name}" if ours.patience else "",
            *ours.objective.constants,
        ]
        return "\n".join(line for line in lines if line)

    def _definitions(self) -> list[str]:
        return [block.source.definitions for block in self.parts.blocks if block.source.definitions]

    def _order(self) -> str:
        if self.parts.full_batch or self.parts.reading.train_pass:
            return ""
        lines = [expr for block in self.parts.blocks if (expr := block.source.order)]
        if not lines:
            self.copier.need("hasten.base.seeds", "derive")
            lines = ['torch.randperm(samples, generator=torch.Generator().manual_seed(derive(SEED, "order", epoch)))']
        doc = '    """Return the ids of an epoch in its order, a function of the seed and the epoch."""'
        body = [*self._comments("order"), f"return {lines[-1]}"]
        return "\n".join(["def epoch_order(samples: int, epoch: int) -> Tensor:", doc, *indented(body)])

    def _batches(self) -> str:
        self.copier.imports.add(Import("collections.abc", "Iterator"))
        made = [self._train_batches(), self._valid_batches() if self.parts.reading.has_valid else ""]
        if "DataLoader" in "".join(made):
            self.copier.imports.add(Import("torch.utils.data", "DataLoader"))
        return "\n\n\n".join(filter(None, made))

    def _train_batches(self) -> str:
        ours = self.parts
        options, taken = ours.reading.options, self._taken()
        if ours.reading.train_pass:
            body = ["while True:", *indented([ours.reading.train_pass])]
        elif ours.full_batch:
            body = [
                f"batch = next(iter(DataLoader(data, BATCH_SIZE, {_OWN}{options})))  # all samples, in every step",
                "while True:\n    yield batch",
            ]
        elif taken:
            each = [*self._comments("fetch"), f"yield {taken}"]
            ids = ["for ids in epoch_order(len(data), epoch).split(BATCH_SIZE):", *indented(each)]
            body = ["for epoch in itertools.count():", *indented(ids)]
        else:
            each = [
                "order = epoch_order(len(data), epoch).tolist()",
                "# A generator of its own: the loader must not draw from the model's random numbers.",
                f"yield from DataLoader(data, BATCH_SIZE, sampler=order, {_OWN}{options})",
            ]
            body = ["for epoch in itertools.count():", *indented(each)]
        doc = '    """Yield training batches without end, epoch after epoch."""'
        return "\n".join(["def train_batches(data: Any) -> Iterator[Any]:", doc, *indented(body)])

    def _valid_batches(self) -> str:
        ours = self.parts
        size = "VALID_BATCH_SIZE" if ours.valid_batch_size != ours.batch_size else "BATCH_SIZE"
        taken = self._taken()
        if ours.reading.valid_pass:
            body = [ours.reading.valid_pass]
        elif taken:
            body = [f"for ids in torch.arange(len(data)).split({size}):", *indented([f"yield {taken}"])]
        else:
            body = [f"yield from DataLoader(data, {size}, {_OWN}{ours.reading.options})"]
        doc = '    """Yield the validation data in their own order."""'
        return "\n".join(["def valid_batches(data: Any) -> Iterator[Any]:", doc, *indented(body)])

    def _taken(self) -> str:
        """Return the expression that takes a batch by its ids; empty where a `DataLoader` reads."""
        fetch = [block.source.fetch for block in self.parts.blocks if block.source.fetch]
        return _TENSORS if fetch and self.parts.samples.saved else fetch[-1] if fetch else ""

    def _prepared(self) -> str:
        moved = self.parts.objective.calling.moved
        lines = [f"batch = {moved}"]
        lines += [f"batch = {one}(batch)" for one in self.parts.prepare]
        lines += self._lines("prepare")
        doc = '    """Return a batch on the device, as the model takes it."""'
        if len(lines) == 1:
            lines = [f"return {moved}"]
        else:
            lines.append("return batch")
        return "\n".join([f"def prepared(batch: Any) -> {self.batch}:", doc, *indented(lines)])

    def _loss(self) -> str:
        ours = self.parts.objective
        lines = [*ours.calling.unpack, *ours.lines]
        if not self.scored:
            lines = [line.replace("output = loss = ", "loss = ") for line in lines if line != "output = loss"]
        if lines[-1].startswith("loss = ") and not self.scored:
            lines[-1] = lines[-1].replace("loss = ", "return ")
        else:
            lines.append("return loss, output" if self.scored else "return loss")
        for block in reversed(self.parts.blocks):
            if block.source.context:
                lines = [*self._comment(block, "context"), f"with {block.source.context}:", *indented(lines)]
        what = "the mean loss of a batch and the output of the model" if self.scored else "the mean loss of a batch"
        returned = "tuple[Tensor, Any]" if self.scored else "Tensor"
        head = f"def loss_of(model: Any, batch: {self.batch}) -> {returned}:"
        return "\n".join([head, f'    """Return {what}."""', *indented(lines)])

    @property
    def scored(self) -> bool:
        """Whether the metric needs the model's output."""
        return "output" in self.parts.metric.batch

    @property
    def batch(self) -> str:
        """The type of a batch."""
        return "tuple[Tensor, ...]" if self.parts.objective.calling.splits else "dict[str, Tensor]"

    def _evaluate(self) -> str:
        ours, metric = self.parts.objective, self.parts.metric
        own = [f"values = {metric.validate}"] if metric.validate else []
        if not self.parts.reading.has_valid:
            self.copier.imports.add(Import("math"))
            lines = [
                "model.eval()",
                *own,
                "model.train()",
                f'return float(values.get("loss", math.nan)), {metric.value}',
            ]
            return self._evaluation(lines, f"the validation loss, NaN where it is not known, and {metric.name}")
        inner = [
            "loss, output = loss_of(model, batch)" if self.scored else "loss = loss_of(model, batch)",
            f"target = {ours.calling.target}" if ours.calling.target else "",
            f"terms = {ours.terms}",
            f"loss_sum += float(loss) * terms{' if terms else 0.0' if ours.ignores else ''}",
            "loss_terms += terms",
            *metric.batch.split("\n"),
        ]  # fmt: skip
        if re.fullmatch(r"(target\.numel\(\)|len\(.*\))", ours.terms):
            inner = [line for line in inner if not line.startswith("terms =")]
            inner = [re.sub(r"\bterms\b", ours.terms, line) for line in inner]
        if not re.search(r"\btarget\b", "\n".join(inner[2:])):
            inner.remove(inner[1])
        lines = [
            "model.eval()",
            "loss_sum, loss_terms = 0.0, 0",
            *metric.start.split("\n"),
            "for batch in map(prepared, valid_batches(data)):",
            *indented([line for line in inner if line]),
            *own,
            "model.train()",
            "valid_loss = loss_sum / loss_terms",
            f"return valid_loss, {metric.value}",
        ]
        what = f"the mean validation loss and {_article(metric.name)}"
        if metric.name == "loss" and not own:
            what = "the mean validation loss, which is the metric, too"
        return self._evaluation([line for line in lines if line], what)

    def _evaluation(self, lines: list[str], what: str) -> str:
        """Return the function `evaluate`."""
        if self.parts.metric.validate or self.parts.reading.valid_pass:
            before = "random_state = torch.get_rng_state()  # evaluation must not move the training's random numbers"
            lines = [before, *lines[:-1], "torch.set_rng_state(random_state)", lines[-1]]
        head = "@torch.no_grad()\ndef evaluate(model: nn.Module, data: Any) -> tuple[float, float]:"
        return "\n".join([head, f'    """Return {what}."""', *indented(lines)])

    def _main(self) -> str:
        ours = self.parts
        settings, changes, setup = self._lines("settings"), self._lines("model"), self._lines("setup")
        lines = [
            *settings,
            "train_data, valid_data = load()",
            *self._seeds(),
            f"model = {_called(ours.model)}",
        ]
        if changes:
            # What techniques draw while they change the model must not move the training's random numbers.
            lines += ["random_state = torch.get_rng_state()", *changes]
        lines += [
            "model.to(DEVICE).train()",
            *self._comments("optimizer"),
            *_called(ours.updating.optimizer).split("\n"),
        ]
        if ours.updating.scheduler:
            lines += [*self._comments("schedule"), _called(ours.updating.scheduler)]
        else:
            lines += self._comments("schedule")
        loop = self._loop()
        inside = "\n".join([*loop, *setup])
        if re.search(r"(?<!\.)\bparameters\b", inside):
            named = "{name: one for name, one in model.named_parameters() if one.requires_grad}"
            lines.append(f"parameters = {named}")
        lines += setup
        if changes:
            lines.append("torch.set_rng_state(random_state)")
        forward = self._lines("forward", form="forward = {}")
        lines += [*forward, "", *loop, *self._ending(), "return [float(loss) for loss in losses]"]
        doc = '    """Train, evaluate now and then, save the weights as final.pt, and return the loss of every step."""'
        return "\n".join(["def main() -> list[float]:", doc, *indented(lines)])

    def _seeds(self) -> list[str]:
        text = "\n".join([*self.copier.pieces.values(), self.parts.model])
        lines = ["torch.manual_seed(SEED)"]
        if re.search(r"\bnp\.random\b", text):
            self.copier.imports.add(Import("numpy", alias="np"))
            lines.append("np.random.seed(SEED % 2**32)")
        if re.search(r"(?<!\.)\brandom\.", text):
            self.copier.imports.add(Import("random"))
            lines.append("random.seed(SEED)")
        return lines

    def _loop(self) -> list[str]:
        ours = self.parts
        self.copier.imports.add(Import("itertools"))
        source = "train_batches(train_data)"
        comments = self._comments("batches")
        for block in ours.blocks:
            if block.source.batches:
                source = block.source.batches.replace("train_batches", source)
        limited = f"itertools.islice({source}, STEPS)" if ours.steps is not None else source
        steps = [
            "batch = prepared(batch)",
            *(["progress = (step - 1) / STEPS"] if self._asks("progress") else []),
            *self._lines("curriculum"),
            *self._backward(),
            *self._lines("gradient"),
            *self._update(),
            *(ours.updating.moved.split("\n") if ours.updating.moved else []),
            "losses.append(loss.detach())",
            *self._judged(),
        ]
        timed = ["started = time.perf_counter()"] if ours.seconds is not None else []
        if timed:
            self.copier.imports.add(Import("time"))
        best = ["best, waited = None, 0"] if ours.patience else []
        return [
            "losses: list[Tensor] = []", *best, *timed, *comments,
            f"for step, batch in enumerate({limited}, start=1):", *indented(steps),
        ]  # fmt: skip

    def _asks(self, name: str) -> bool:
        texts = (f"{one.source.curriculum}{one.source.gradient}{one.source.update}" for one in self.parts.blocks)
        return any(re.search(rf"\b{name}\b", text) for text in texts)

    def _backward(self) -> list[str]:
        ours = self.parts
        called = "forward" if any(block.source.forward for block in ours.blocks) else "model"
        comments = self._comments("parts")
        if ours.micro_batch is None:
            return [*comments, f"loss{', _' * self.scored} = loss_of({called}, batch)", "loss.backward()"]
        if not ours.objective.calling.splits:
            raise Refused("micro-batches of dicts are not written out")
        whole, part = (re.sub(r"\btarget\b", name, ours.objective.terms) for name in ("batch[-1]", "part[-1]"))
        part = re.sub(r"\bbatch\b", "part", part)
        loss = f"loss_of({called}, part){'[0]' * self.scored}"
        mean = f"{loss} * ({part} / {whole})"
        if ours.objective.ignores:
            mean = f"{loss}.nan_to_num() * ({part} / max({whole}, 1))"
        return [
            *comments,
            "loss = torch.zeros((), device=DEVICE)",
            "for part in zip(*(column.split(MICRO_BATCH) for column in batch), strict=True):",
            *indented([f"share = {mean}", "share.backward()", "loss += share.detach()"]),
        ]

    def _update(self) -> list[str]:
        lines = ["optimizer.step()", *self._lines("update")]
        skips = [block.source.skip for block in self.parts.blocks if block.source.skip]
        if skips:
            lines = [f"if not {' and not '.join(skips)}:", *indented(lines)]
        return [*lines, "optimizer.zero_grad()"]

    def _judged(self) -> list[str]:
        ours, metric = self.parts, self.parts.metric
        last = ["step == STEPS"] if ours.steps is not None else []
        last += ["time.perf_counter() - started >= SECONDS"] if ours.seconds is not None else []
        ended = last[0] if len(last) == 1 else f"({' or '.join(last)})"
        shown = f", {metric.name} {{quality:.4f}}" if metric.name != "loss" else ""
        text = f'print(f"step {{step}}: loss {{float(losses[-1]):.4f}}, valid loss {{valid_loss:.4f}}{shown}")'
        shortened = metric.name if len(text) <= _LONGEST else "metric"
        text = text.replace(f", {metric.name} {{quality", f", {shortened} {{quality")
        inner = self._evaluating(["valid_loss, quality = evaluate(model, valid_data)"])
        inner += [text, *([ours.updating.evaluated] if ours.updating.evaluated else [])]
        sign = ">" if metric.higher_is_better else "<"
        if ours.target is not None:
            self.copier.imports.add(Import("math"))
            inner += [f"if quality {sign} TARGET or math.isclose(quality, TARGET, rel_tol=1e-6):", "    break"]
        if ours.patience:
            self.copier.imports.add(Import("copy"))
            kept = self._evaluating(["weights = copy.deepcopy(model.state_dict())"])
            ended_early = ["if waited == PATIENCE:", "    model.load_state_dict(weights)", "    break"]
            inner += [f"if best is None or quality {sign} best:", *indented(["best, waited = quality, 0", *kept])]
            inner += ["else:", *indented(["waited += 1", *ended_early])]
        done = ["if " + ended + ":", "    break"] if ours.seconds is not None else []
        return [f"if step % EVALUATE_EVERY == 0 or {ended}:", *indented(inner), *done]

    def _evaluating(self, lines: list[str]) -> list[str]:
        contexts = [block.source.evaluation for block in self.parts.blocks if block.source.evaluation]
        for context in contexts:
            lines = [f"with {context}:", *indented(lines)]
        return lines

    def _ending(self) -> list[str]:
        undo = [line for block in self.parts.blocks if block.source.undo for line in block.source.undo.split("\n")]
        return ["", *self._evaluating([*undo, 'torch.save(model.state_dict(), "final.pt")'])]

    def _lines(self, slot: Place, form: str = "{}") -> list[str]:
        found: list[str] = []
        for block in self.parts.blocks:
            if text := getattr(block.source, slot):
                found += [*self._comment(block, slot), *form.format(text).split("\n")]
        return found

    def _comments(self, place: Place) -> list[str]:
        return [line for block in self.parts.blocks for line in self._comment(block, place)]

    def _comment(self, block: Block, place: str) -> list[str]:
        if block.place != place:
            return []
        return textwrap.wrap(block.comment, 100, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _called(text: str) -> str:
    """Return a call with the name that its function has in the script."""
    for name, other in _CALLED.items():
        text = re.sub(rf"(?<![\w.]){name}(?=\()", other, text)
    return text


def _defined(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"^(?:def|class) (\w+)", "\n".join(texts), re.MULTILINE))


def _is_definition(text: str) -> bool:
    return text.startswith(("def ", "class ", "@", "if "))


def _article(metric: str) -> str:
    return "R2" if metric == "r2" else f"the {metric}"


def _used(imports: Iterable[Import], text: str) -> list[Import]:
    return [one for one in imports if re.search(rf"\b{re.escape(one.bound)}\b", text)]


def _imports(imports: Sequence[Import]) -> str:
    """Return import statements, sorted as isort sorts them: Python's own, then packages, then modules beside it."""
    sections: list[list[str]] = [[], [], []]
    plain = sorted({(one.module, one.alias) for one in imports if not one.name})
    for module, alias in plain:
        sections[_section(module)].append(f"import {module}" + (f" as {alias}" if alias else ""))
    for module in sorted({one.module for one in imports if one.name}, key=str.lower):
        names = [one for one in imports if one.name and one.module == module]
        together = sorted((one.name for one in names if not one.alias), key=_member)
        statements = [f"from {module} import {one.name} as {one.alias}" for one in names if one.alias]
        statements += [f"from {module} import {', '.join(together)}"] if together else []
        sections[_section(module)] += sorted(statements)
    return "\n\n".join("\n".join(section) for section in sections if section)


def _section(module: str) -> int:
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names:
        return 0
    path = getattr(sys.modules.get(root), "__file__", None) or "site-packages"
    return 1 if "site-packages" in path else 2


def _member(name: str) -> tuple[int, str]:
    """Return the key that sorts constants before classes before functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name
