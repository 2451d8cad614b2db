"""What was seen of a training, for TensorBoard: scalars over the steps, histograms, and the findings as text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hasten.base.errors import BadInput
from hasten.base.optional import attribute_of
from hasten.base.records.dynamics import Dynamics, ParameterTrack, Series
from hasten.base.records.finding import Diagnosis
from hasten.base.records.health import Health
from hasten.base.records.histograms import Histogram
from hasten.diagnosis.dynamics.judging import ratios
from hasten.diagnosis.dynamics.noise_scale import noise_scales
from hasten.report.health_figures import norms


def writer_class() -> Any:
    """Return `torch.utils.tensorboard.SummaryWriter`.

    Raises:
        BadInput: if the package tensorboard is not installed.
    """
    missing = "--tensorboard needs the package tensorboard. Install it with: pip install 'hasten[tensorboard]'"
    return attribute_of(["torch.utils.tensorboard"], "SummaryWriter", missing=missing)


def open_writer(folder: Path) -> Any:
    """Return a `SummaryWriter` that adds a log to a folder.

    Raises:
        BadInput: if tensorboard is not installed, or the folder cannot be written.
    """
    try:
        return writer_class()(log_dir=str(folder))
    except OSError as error:
        raise BadInput(f"cannot write {folder}: {error.strerror or error}. Choose another folder.") from error


def write_tensorboard(health: Health, diagnosis: Diagnosis, folder: Path) -> None:
    """Add a log to a folder, as every training does that logs to TensorBoard; what is there stays.

    Args:
        health: of the training.
        diagnosis: of it.
        folder: that `tensorboard --logdir` is given, or one inside it.

    Raises:
        BadInput: if tensorboard is not installed, or the folder cannot be written.
    """
    with open_writer(folder) as writer:
        if health.dynamics is not None:
            for tag, step, value in scalars(health.dynamics):
                writer.add_scalar(tag, value, step)
        for place, one in enumerate(health.histograms):
            name = one.name or f"parameter {place}"
            for kind, found in (("gradient", one.gradient), ("weight", one.weight)):
                for histogram in found:
                    _add_histogram(writer, f"{kind}/{name}", histogram)
        writer.add_text("diagnosis", _text(diagnosis), health.steps)


def scalars(dynamics: Dynamics) -> Iterator[tuple[str, int, float]]:
    """Return tag, step and value of each scalar; what is not finite or was not seen is left out."""
    samples = dynamics.samples
    yield from _over(tuple(range(1, len(dynamics.losses) + 1)), "loss/training", dynamics.losses)
    yield from (("loss/evaluation", one.step, one.loss) for one in dynamics.evaluations if one.loss is not None)
    yield from _over(samples, "learning_rate", dynamics.rates)
    yield from _over(samples, "gradient_norm/all", dynamics.norms)
    yield from _over(samples, "noise_scale/samples", noise_scales(dynamics))
    yield from _over(samples, "direction/gradient_cosine", dynamics.gradient_cosines)
    yield from _over(samples, "direction/update_cosine", dynamics.update_cosines)
    for place, track in enumerate(dynamics.parameters):
        yield from _of_parameter(samples, track.name or f"parameter {place}", track)


def _of_parameter(samples: tuple[int, ...], name: str, track: ParameterTrack) -> Iterator[tuple[str, int, float]]:
    yield from _over(samples, f"gradient_norm/{name}", norms(track))
    yield from _over(samples, f"update_ratio/{name}", ratios(track))


def _over(steps: tuple[int, ...], tag: str, series: Series) -> Iterator[tuple[str, int, float]]:
    return ((tag, step, value) for step, value in zip(steps, series, strict=False) if value is not None)


def _add_histogram(writer: Any, tag: str, one: Histogram) -> None:
    width = (one.high - one.low) / len(one.counts)
    writer.add_histogram_raw(
        tag,
        min=one.low,
        max=one.high,
        num=sum(one.counts),
        sum=one.sum,
        sum_squares=one.sum_of_squares,
        bucket_limits=[one.low + width * place for place in range(1, len(one.counts) + 1)],
        bucket_counts=list(one.counts),
        global_step=one.step,
    )


def _text(diagnosis: Diagnosis) -> str:
    """Return the verdict and the findings as Markdown."""
    lines = [f"- **{one.id} {one.symptom}**: {one.sentence} {one.advice}" for one in diagnosis.findings]
    return "\n".join([f"**{diagnosis.verdict}**", "", *lines])
