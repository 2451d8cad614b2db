"""The function `main` of a script: set up, train, evaluate now and then, save the weights."""

import re

from hasten.base.errors import Refused
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.copying import CALLED, Import, indented
from hasten.pipeline.eject.parts import Parts

_LONGEST = 105  # characters of the line that prints


def main_function(parts: Parts) -> str:
    """Return the function `main`."""
    settings, changes, setup = parts.lines("settings"), parts.lines("model"), parts.lines("setup")
    lines = [*settings, "train_data, valid_data = load()", *_seeds(parts), f"model = {_called(parts.model)}"]
    lines += _lazy(parts) if parts.lazy else []
    if changes:
        # What techniques draw while they change the model must not move the training's random numbers.
        lines += ["random_state = torch.get_rng_state()", *changes]
    lines += [
        "model.to(DEVICE).train()",
        *parts.comments("optimizer"),
        *_called(parts.updating.optimizer).split("\n"),
        *parts.comments("schedule"),
        *([_called(parts.updating.scheduler)] if parts.updating.scheduler else []),
    ]
    if parts.own_step is not None:
        lines.append(parts.own_step.session)
    loop = _loop(parts)
    if re.search(r"(?<!\.)\bparameters\b", "\n".join([*loop, *setup])):
        named = "{name: one for name, one in model.named_parameters() if one.requires_grad}"
        lines.append(f"parameters = {named}")
    lines += setup
    if changes:
        lines.append("torch.set_rng_state(random_state)")
    forward = parts.lines("forward", form="forward = {}")
    lines += [*forward, "", *loop, *_ending(parts), "return [float(loss) for loss in losses]"]
    doc = '    """Train, evaluate now and then, save the weights as final.pt, and return the loss of every step."""'
    return "\n".join(["def main() -> list[float]:", doc, *indented(lines)])


def _lazy(parts: Parts) -> list[str]:
    """Return the lines that give lazy layers their sizes, as torch asks for before the optimizer is made."""
    ours, kept = parts.objective, "preserved" if parts.generators else "torch.random.fork_rng"
    batches = "valid_batches(valid_data)" if parts.reading.has_valid else "train_batches(train_data)"
    host = ours.calling.moved.replace("DEVICE", '"cpu"')
    return [
        f"with {kept}():",
        *indented([f"batch = next({batches})", f"batch = {host}", *(f"batch = {one}(batch)" for one in parts.prepare)]),
        "model.eval()",
        "with torch.no_grad():  # lazy layers take their sizes from a batch",
        *indented([*(ours.calling.unpack if ours.called == ours.calling.output else ()), ours.called]),
    ]


def _called(text: str) -> str:
    """Return a call with the name that its function has in the script."""
    for name, other in CALLED.items():
        text = re.sub(rf"(?<![\w.]){name}(?=\()", other, text)
    return text


def _seeds(parts: Parts) -> list[str]:
    lines = ["torch.manual_seed(SEED)"]
    if parts.generators:
        parts.copier.imports |= {Import("numpy", alias="np"), Import("random")}
        lines += ["np.random.seed(SEED)" if parts.seed < 2**32 else "np.random.seed(SEED % 2**32)", "random.seed(SEED)"]
    return lines


def _loop(parts: Parts) -> list[str]:
    parts.copier.imports.add(Import("itertools"))
    source = "train_batches(train_data)"
    for block in parts.blocks:
        if block.source.batches:
            source = block.source.batches.replace("train_batches", source)
    progress = ["progress = (step - 1) / STEPS"] if _asks(parts, "progress") else []
    if progress and parts.steps is None:
        raise Refused("a technique of the plan follows the progress of the training, whose length is not known")
    steps = [
        "batch = prepared(batch)",
        *progress,
        *parts.lines("curriculum"),
        *(_backward_and_update(parts) if parts.own_step is None else _own_step(parts)),
        *(parts.updating.moved.split("\n") if parts.updating.moved else []),
        "losses.append(loss.detach())",
    ]
    timed = ["started = time.perf_counter()"] if parts.seconds is not None else []
    if timed:
        parts.copier.imports.add(Import("time"))
    before = ["losses: list[Tensor] = []"]
    before += ["best, waited = None, 0"] if parts.patience else []
    before += ["judged, mean_loss = 0, None"] if parts.plateau is not None else []
    before += [*timed, *parts.comments("batches")]
    if parts.by_epoch:
        return [*before, *_epochs(parts, source, steps)]
    limited = f"itertools.islice({source}, STEPS)" if parts.steps is not None else source
    last = ["step == STEPS"] if parts.steps is not None else []
    last += ["time.perf_counter() - started >= SECONDS"] if parts.seconds is not None else []
    ended = last[0] if len(last) == 1 else f"({' or '.join(last)})"
    done = ["if " + ended + ":", "    break"] if parts.seconds is not None else []
    judged = [f"if step % EVALUATE_EVERY == 0 or {ended}:", *indented(_judged(parts)), *done]
    return [
        *before,
        f"for step, batch in enumerate({limited}, start=1):",
        *indented([*steps, *judged]),
    ]


def _epochs(parts: Parts, source: str, steps: list[str]) -> list[str]:
    """Return the loop over epochs that are as long as their data turn out to be."""
    if parts.evaluate_every is not None and (parts.target is not None or parts.patience or parts.plateau is not None):
        raise Refused(
            "a training that ends early by its evaluations is not written out for epochs without a known length. "
            "Give Data(steps_per_epoch=...)"
        )
    ends = ["step == STEPS"] if parts.steps is not None else []
    ends += ["time.perf_counter() - started >= SECONDS"] if parts.seconds is not None else []
    now = " or ".join(ends)
    inner = ["step += 1", *steps]
    if parts.evaluate_every is not None:
        inner += ["if step % EVALUATE_EVERY == 0:", *indented(_judged(parts))]
    inner += [f"if {now}:", "    break"] if now else []
    outer = [
        f"for batch in {source}:",
        *indented(inner),
        *(parts.updating.moved_by_epoch.split("\n") if parts.updating.moved_by_epoch else []),
        *_judged(parts),
        *([f"if {now}:", "    break"] if now else []),
    ]
    over = "range(EPOCHS)" if parts.epochs is not None else "itertools.count()"
    return ["step = 0", f"for _ in {over}:", *indented(outer)]


def _asks(parts: Parts, name: str) -> bool:
    texts = (f"{one.source.curriculum}{one.source.gradient}{one.source.update}" for one in parts.blocks)
    return any(re.search(rf"\b{name}\b", text) for text in texts)


def _own_step(parts: Parts) -> list[str]:
    """Return the lines of a step that the task makes itself."""
    assert parts.own_step is not None, "only asked for where there is one"
    parts.copier.copy(plain.loss_in)
    return [f"loss = loss_in({_called(parts.own_step.call)})", *parts.lines("update"), *parts.own_step.moved]


def _backward_and_update(parts: Parts) -> list[str]:
    if parts.updating.closure:
        return _closure(parts)
    return [*_backward(parts), *parts.lines("gradient"), *_update(parts)]


def _closure(parts: Parts) -> list[str]:
    """Return the lines of a step whose optimizer evaluates the loss several times."""
    lines = ["optimizer.zero_grad()", *_backward(parts), *parts.lines("gradient")]
    lines += ["evaluated.append(loss.detach())", "return loss"]
    return [
        "evaluated: list[Tensor] = []",
        "",
        "def closure() -> Tensor:",
        *indented(lines),
        "",
        "optimizer.step(closure)",
        *parts.lines("update"),
        "loss = evaluated[0]",
    ]


def _backward(parts: Parts) -> list[str]:
    called = "forward" if any(block.source.forward for block in parts.blocks) else "model"
    ours = parts.objective
    others = ", _" * (parts.is_scored + ours.returns_terms)
    if parts.micro_batch is None:
        return [*parts.comments("parts"), f"loss{others} = loss_of({called}, batch)", "loss.backward()"]
    if ours.calling.form == "tree" or ours.returns_terms:
        raise Refused(
            "accumulation is written out for batches that are tuples or dicts of tensors, and losses that are means"
        )
    whole, part = (
        re.sub(r"\bbatch\b", name, re.sub(r"\btarget\b", ours.calling.target or "target", ours.terms))
        for name in ("batch", "part")
    )
    columns = "zip(*(column.split(MICRO_BATCH) for column in batch{}), strict=True)"
    parts_of = columns.format("")
    if ours.calling.form == "fields":
        parts_of = f"(dict(zip(batch, columns)) for columns in {columns.format('.values()')})"
    called_on = f"loss_of({called}, part){'[0]' * parts.is_scored}"
    least = [f"max({one}, 1)" if ours.ignores else one for one in ("share", "terms")]
    if parts.sums_parts:
        made, started, added = (
            f"part_sum = {called_on}",
            f"part_sum / {least[0]} * (share / {least[1]})",
            "part_sum.detach()",
        )
    else:
        called_on += ".nan_to_num()" * ours.ignores
        made, started, added = f"mean = {called_on}", f"mean * (share / {least[1]})", "mean.detach() * share"
    return [
        *parts.comments("parts"),
        f"loss, terms = 0.0, {whole}",
        f"for part in {parts_of}:",
        f"    share = {part}",
        f"    {made}",
        f"    ({started}).backward()",
        f"    loss = loss + {added}",
        f"loss = loss / {least[1]}",
    ]


def _update(parts: Parts) -> list[str]:
    lines = ["optimizer.step()", *parts.lines("update")]
    skips = [block.source.skip for block in parts.blocks if block.source.skip]
    if skips:
        lines = [f"if not {' and not '.join(skips)}:", *indented(lines)]
    return [*lines, "optimizer.zero_grad()"]


def _judged(parts: Parts) -> list[str]:
    """Return the lines of an evaluation and of the rules that may end the training after it."""
    metric = parts.metric
    shown = f", {metric.name} {{quality:.4f}}" if metric.name != "loss" else ""
    text = f'print(f"step {{step}}: loss {{float(losses[-1]):.4f}}, valid loss {{valid_loss:.4f}}{shown}")'
    shortened = metric.name if len(text) <= _LONGEST else "metric"
    text = text.replace(f", {metric.name} {{quality", f", {shortened} {{quality")
    lines = parts.in_evaluation(["valid_loss, quality = evaluate(model, valid_data)"])
    if not parts.reading.has_valid and metric.name != "loss":
        parts.copier.imports.add(Import("math"))
        lines.append('shown_loss = "" if math.isnan(valid_loss) else f", valid loss {valid_loss:.4f}"')
        text = text.replace(", valid loss {valid_loss:.4f}", "{shown_loss}")
    lines += [text, *([parts.updating.evaluated] if parts.updating.evaluated else [])]
    sign = ">" if metric.higher_is_better else "<"
    if parts.target is not None:
        parts.copier.imports.add(Import("math"))
        lines += [f"if quality {sign} TARGET or math.isclose(quality, TARGET, rel_tol=1e-6):", "    break"]
    if parts.patience:
        parts.copier.imports.add(Import("copy"))
        kept = parts.in_evaluation(["weights = copy.deepcopy(model.state_dict())"])
        ended_early = ["if waited == PATIENCE:", "    model.load_state_dict(weights)", "    break"]
        lines += [f"if best is None or quality {sign} best:", *indented(["best, waited = quality, 0", *kept])]
        lines += ["else:", *indented(["waited += 1", *ended_early])]
    if parts.plateau is not None:
        lines += [
            "before, mean_loss = mean_loss, float(torch.stack(losses[judged:]).mean())",
            "judged = len(losses)",
            "if before is not None and abs(before - mean_loss) <= PLATEAU * abs(before):",
            "    break",
        ]
    return lines


def _ending(parts: Parts) -> list[str]:
    undo = [line for block in parts.blocks if block.source.undo for line in block.source.undo.split("\n")]
    return ["", *parts.in_evaluation([*undo, 'torch.save(model.state_dict(), "final.pt")'])]
