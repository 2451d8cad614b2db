"""The functions of a script that compute the loss of a batch and judge the model."""

import re

from hasten.pipeline.eject import plain
from hasten.pipeline.eject.copying import Import, indented
from hasten.pipeline.eject.parts import Parts, comment


def loss_of(parts: Parts) -> str:
    """Return the function `loss_of`; nothing where neither a step nor an evaluation calls it."""
    if parts.own_step is not None and not parts.reading.has_valid:
        return ""
    ours, is_scored = parts.objective, parts.is_scored
    lines = [*ours.calling.unpack, *ours.lines]
    if parts.sums_parts:
        lines[-1] = ours.summed
    if not is_scored:
        lines = [line.replace("output = loss = ", "loss = ") for line in lines if line != "output = loss"]
    returned = ["loss", *(["terms"] if ours.returns_terms else []), *(["output"] if is_scored else [])]
    if lines[-1].startswith("loss = ") and len(returned) == 1:
        lines[-1] = lines[-1].replace("loss = ", "return ")
    elif not is_scored and len(lines) == 1 and lines[0].startswith("loss, terms = "):
        lines[0] = lines[0].replace("loss, terms = ", "return ")
    else:
        lines.append(f"return {', '.join(returned)}")
    for block in reversed(parts.blocks):
        if block.source.context:
            lines = [*comment(block, "context"), f"with {block.source.context}:", *indented(lines)]
    what = f"the {'summed' if parts.sums_parts else 'mean'} loss of a batch"
    what += ", what the mean divides by" * ours.returns_terms + " and the output of the model" * is_scored
    kind = f"tuple[{', '.join(['Tensor', *['Any'] * (len(returned) - 1)])}]" if len(returned) > 1 else "Tensor"
    head = f"def loss_of(model: Any, batch: {parts.batch_type}) -> {kind}:"
    return "\n".join([head, f'    """Return {what}."""', *indented(lines)])


def evaluate(parts: Parts) -> str:
    """Return the function `evaluate`."""
    ours, metric = parts.objective, parts.metric
    own = [f"values = {metric.validate}"] if metric.validate else []
    if not parts.reading.has_valid:
        parts.copier.imports.add(Import("math"))
        lines = ["model.eval()", *own, "model.train()"]
        lines.append(f'return float(values.get("loss", math.nan)), {metric.value}')
        return _function(parts, lines, f"the validation loss, NaN where it is not known, and {metric.name}")
    called = ["loss", *(["terms"] if ours.returns_terms else []), *(["output"] if parts.is_scored else [])]
    added = "float(loss)" if parts.sums_parts else f"float(loss) * terms{' if terms else 0.0' if ours.ignores else ''}"
    inner = [
        f"{', '.join(called)} = loss_of(model, batch)",
        f"target = {ours.calling.target}" if ours.calling.target else "",
        f"terms = {ours.terms}" if not ours.returns_terms else "",
        f"loss_sum += {added}",
        "loss_terms += terms",
        *metric.batch.split("\n"),
    ]  # fmt: skip
    if re.fullmatch(r"(target\.numel\(\)|len\(.*\)|1)", ours.terms):
        inner = [line for line in inner if not line.startswith("terms =")]
        inner = [re.sub(r"\bterms\b", ours.terms, line).removesuffix(" * 1") for line in inner]
    if inner[1] and not re.search(r"\btarget\b", "\n".join(inner[2:])):
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
    return _function(parts, [line for line in lines if line], what)


def _function(parts: Parts, lines: list[str], what: str) -> str:
    kept = "torch.random.fork_rng"
    if parts.generators:
        parts.copier.copy(plain.preserved)
        kept = "preserved"
    why = "# evaluation must not move the random numbers of the training"
    head = [f"@{kept}()  {why}", "@torch.no_grad()"]
    head.append("def evaluate(model: nn.Module, data: Any) -> tuple[float, float]:")
    return "\n".join([*head, f'    """Return {what}."""', *indented(lines)])


def _article(metric: str) -> str:
    return "R2" if metric == "r2" else f"the {metric}"
