"""The function `main` of a script: set up, train, evaluate now and then, save the weights."""

import re

from hasten.base.errors import Refused
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.copying import Import, indented
from hasten.pipeline.eject.parts import Parts

CALLED = {
    "model": "build_model",
    "optimizer": "build_optimizer",
    "scheduler": "build_scheduler",
    "session": "build_session",
    "step": "train_step",
}
"""Names of functions that are variables of the script -> what they are called in it."""
_LONGEST = 105  # characters of the line that prints


def main_function(parts: Parts) -> str:
    """Return the function `main`."""
    settings, changes, setup = parts.lines("settings"), parts.lines("model"), parts.lines("setup")
    lines = [*settings, "train_data, valid_data = load()", *_seeds(parts), f"model = {_called(parts.model)}"]
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


def _called(text: str) -> str:
    """Return a call with the name that its function has in the script."""
    for name, other in CALLED.items():
        text = re.sub(rf"(?<![\w.]){name}(?=\()", other, text)
    return text


def _seeds(parts: Parts) -> list[str]:
    text = "\n".join([*parts.copier.pieces.values(), parts.model])
    lines = ["torch.manual_seed(SEED)"]
    if re.search(r"\bnp\.random\b", text):
        parts.copier.imports.add(Import("numpy", alias="np"))
        lines.append("np.random.seed(SEED % 2**32)")
    if re.search(r"(?<!\.)\brandom\.", text):
        parts.copier.imports.add(Import("random"))
        lines.append("random.seed(SEED)")
    return lines


def _loop(parts: Parts) -> list[str]:
    parts.copier.imports.add(Import("itertools"))
    source = "train_batches(train_data)"
    for block in parts.blocks:
        if block.source.batches:
            source = block.source.batches.replace("train_batches", source)
    limited = f"itertools.islice({source}, STEPS)" if parts.steps is not None else source
    steps = [
        "batch = prepared(batch)",
        *(["progress = (step - 1) / STEPS"] if _asks(parts, "progress") else []),
        *parts.lines("curriculum"),
        *(_backward_and_update(parts) if parts.own_step is None else _own_step(parts)),
        *(parts.updating.moved.split("\n") if parts.updating.moved else []),
        "losses.append(loss.detach())",
        *_judged(parts),
    ]
    timed = ["started = time.perf_counter()"] if parts.seconds is not None else []
    if timed:
        parts.copier.imports.add(Import("time"))
    best = ["best, waited = None, 0"] if parts.patience else []
    return [
        "losses: list[Tensor] = []",
        *best,
        *timed,
        *parts.comments("batches"),
        f"for step, batch in enumerate({limited}, start=1):",
        *indented(steps),
    ]


def _asks(parts: Parts, name: str) -> bool:
    texts = (f"{one.source.curriculum}{one.source.gradient}{one.source.update}" for one in parts.blocks)
    return any(re.search(rf"\b{name}\b", text) for text in texts)


def _own_step(parts: Parts) -> list[str]:
    """Return the lines of a step that the task makes itself."""
    assert parts.own_step is not None, "only asked for where there is one"
    parts.copier.copy(plain.loss_in)
    return [f"loss = loss_in({_called(parts.own_step.call)})", *parts.lines("update"), *parts.own_step.moved]


def _backward_and_update(parts: Parts) -> list[str]:
    return [*_backward(parts), *parts.lines("gradient"), *_update(parts)]


def _backward(parts: Parts) -> list[str]:
    called = "forward" if any(block.source.forward for block in parts.blocks) else "model"
    comments, is_scored, ours = parts.comments("parts"), parts.is_scored, parts.objective
    if parts.micro_batch is None:
        return [*comments, f"loss{', _' * is_scored} = loss_of({called}, batch)", "loss.backward()"]
    if not ours.calling.splits:
        raise Refused("micro-batches of dicts are not written out")
    whole, part = (re.sub(r"\btarget\b", name, ours.terms) for name in ("batch[-1]", "part[-1]"))
    part = re.sub(r"\bbatch\b", "part", part)
    loss = f"loss_of({called}, part){'[0]' * is_scored}"
    mean = f"{loss} * ({part} / {whole})"
    if ours.ignores:
        mean = f"{loss}.nan_to_num() * ({part} / max({whole}, 1))"
    return [
        *comments,
        "loss = torch.zeros((), device=DEVICE)",
        "for part in zip(*(column.split(MICRO_BATCH) for column in batch), strict=True):",
        *indented([f"share = {mean}", "share.backward()", "loss += share.detach()"]),
    ]


def _update(parts: Parts) -> list[str]:
    lines = ["optimizer.step()", *parts.lines("update")]
    skips = [block.source.skip for block in parts.blocks if block.source.skip]
    if skips:
        lines = [f"if not {' and not '.join(skips)}:", *indented(lines)]
    return [*lines, "optimizer.zero_grad()"]


def _judged(parts: Parts) -> list[str]:
    metric = parts.metric
    last = ["step == STEPS"] if parts.steps is not None else []
    last += ["time.perf_counter() - started >= SECONDS"] if parts.seconds is not None else []
    ended = last[0] if len(last) == 1 else f"({' or '.join(last)})"
    shown = f", {metric.name} {{quality:.4f}}" if metric.name != "loss" else ""
    text = f'print(f"step {{step}}: loss {{float(losses[-1]):.4f}}, valid loss {{valid_loss:.4f}}{shown}")'
    shortened = metric.name if len(text) <= _LONGEST else "metric"
    text = text.replace(f", {metric.name} {{quality", f", {shortened} {{quality")
    inner = parts.in_evaluation(["valid_loss, quality = evaluate(model, valid_data)"])
    inner += [text, *([parts.updating.evaluated] if parts.updating.evaluated else [])]
    sign = ">" if metric.higher_is_better else "<"
    if parts.target is not None:
        parts.copier.imports.add(Import("math"))
        inner += [f"if quality {sign} TARGET or math.isclose(quality, TARGET, rel_tol=1e-6):", "    break"]
    if parts.patience:
        parts.copier.imports.add(Import("copy"))
        kept = parts.in_evaluation(["weights = copy.deepcopy(model.state_dict())"])
        ended_early = ["if waited == PATIENCE:", "    model.load_state_dict(weights)", "    break"]
        inner += [f"if best is None or quality {sign} best:", *indented(["best, waited = quality, 0", *kept])]
        inner += ["else:", *indented(["waited += 1", *ended_early])]
    done = ["if " + ended + ":", "    break"] if parts.seconds is not None else []
    return [f"if step % EVALUATE_EVERY == 0 or {ended}:", *indented(inner), *done]


def _ending(parts: Parts) -> list[str]:
    undo = [line for block in parts.blocks if block.source.undo for line in block.source.undo.split("\n")]
    return ["", *parts.in_evaluation([*undo, 'torch.save(model.state_dict(), "final.pt")'])]
