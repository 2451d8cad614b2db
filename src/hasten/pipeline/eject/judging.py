"""The functions of a script that compute the loss of a batch and judge the model."""

import re

from hasten.pipeline.eject.copying import Import, indented
from hasten.pipeline.eject.parts import Parts, comment


def loss_of(parts: Parts) -> str:
    """Return the function `loss_of`; nothing where neither a step nor an evaluation calls it."""
    if parts.own_step is not None and not parts.reading.has_valid:
        return ""
    ours, is_scored = parts.objective, parts.is_scored
    lines = [*ours.calling.unpack, *ours.lines]
    if not is_scored:
        lines = [line.replace("output = loss = ", "loss = ") for line in lines if line != "output = loss"]
    if lines[-1].startswith("loss = ") and not is_scored:
        lines[-1] = lines[-1].replace("loss = ", "return ")
    else:
        lines.append("return loss, output" if is_scored else "return loss")
    for block in reversed(parts.blocks):
        if block.source.context:
            lines = [*comment(block, "context"), f"with {block.source.context}:", *indented(lines)]
    what = "the mean loss of a batch and the output of the model" if is_scored else "the mean loss of a batch"
    returned = "tuple[Tensor, Any]" if is_scored else "Tensor"
    head = f"def loss_of(model: Any, batch: {parts.batch_type}) -> {returned}:"
    return "\n".join([head, f'    """Return {what}."""', *indented(lines)])


def evaluate(parts: Parts) -> str:
    """Return the function `evaluate`."""
    ours, metric = parts.objective, parts.metric
    own = [f"values = {metric.validate}"] if metric.validate else []
    if not parts.reading.has_valid:
        parts.copier.imports.add(Import("math"))
        lines = ["model.eval()", *own, "model.train()"]
        lines.append(f'return float(values.get("loss", math.nan)), {metric.value}')
        return _function(lines, f"the validation loss, NaN where it is not known, and {metric.name}")
    inner = [
        "loss, output = loss_of(model, batch)" if parts.is_scored else "loss = loss_of(model, batch)",
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
    return _function([line for line in lines if line], what)


def _function(lines: list[str], what: str) -> str:
    before = "random_state = torch.get_rng_state()  # evaluation must not move the training's random numbers"
    lines = [before, *lines[:-1], "torch.set_rng_state(random_state)", lines[-1]]
    head = "@torch.no_grad()\ndef evaluate(model: nn.Module, data: Any) -> tuple[float, float]:"
    return "\n".join([head, f'    """Return {what}."""', *indented(lines)])


def _article(metric: str) -> str:
    return "R2" if metric == "r2" else f"the {metric}"
