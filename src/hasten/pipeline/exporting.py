"""`hasten export`: the model of a run as a file that runs without its Python code."""

import shutil
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.export import ExportedProgram

from hasten.base.errors import BadInput, GuaranteeBroken
from hasten.base.files import write_atomically
from hasten.base.records.export import Exported, Format
from hasten.base.units import digits3
from hasten.data.batch import Batch, select, size_of, until
from hasten.export.calls import Call, calls_of
from hasten.export.formats import SUFFIXES, Function, traced, write_int8, write_onnx, write_pt2
from hasten.export.judging import TOLERANCE, judged, latency
from hasten.training.session import Session

SAMPLES = 1000
"""Validation samples that both models are run on."""
CALIBRATION_BATCHES = 8
LATENCY_BUDGET_S = 6.0
"""Long enough for the eight pairs that an interval needs where one of the two takes ten times as long."""
_EXAMPLE_SIZE = 8


def path_in(run: Path, format: Format) -> Path:  # noqa: A002  (what it is)
    """Return where the exported model of a run is written."""
    return run / f"model{SUFFIXES[format]}"


def export_model(run: Session, format: Format, path: Path) -> Exported:  # noqa: A002  (what it is)
    """Write the model of a session to a file, run the file beside the model on held-out data, and time both.

    Where the task has no validation data they are training samples.

    Args:
        run: a session on the CPU with the trained weights.
        format: of the file.
        path: of the file, replaced whole.

    Raises:
        BadInput: if the model cannot be exported, or packages are missing.
        GuaranteeBroken: if the outputs of the file differ by more than rounding; no file is written.
    """
    held_out = list(run.held_out(SAMPLES))
    batches = held_out or list(until((batch for _, batch in run.batches()), SAMPLES))
    run.model.eval()
    with run.contexts, TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        (whole,) = calls_of(run, batches[:1])
        program, why_fixed = traced(run.model, whole, partial(_two_sizes, run, batches[0]))
        function, notes = _written(run, program, format, file)
        if len(list(file.parent.iterdir())) > 1:
            raise BadInput("the model has more than 2 GB, for which ONNX needs a second file. Export it to pt2.")
        if not held_out:
            notes.append("compared on training samples, as the task has no validation data")
        if why_fixed:
            batches = [one for one in batches if size_of(one) == size_of(batches[0])]
            notes.append(f"it takes batches of {size_of(batches[0])} samples only: {why_fixed}")
        difference, trained, exported = judged(run, function, batches)
        if format is not Format.INT8 and not difference <= TOLERANCE:
            raise GuaranteeBroken(
                f"the exported model computes something else: an output differs by {digits3(difference)} of the "
                f"largest one, at most {TOLERANCE} is rounding. No file is written. Does the model look at values of "
                "its inputs in Python (if, for), or draw random numbers in evaluation?"
            )
        timed = batches[:1] if why_fixed else [select(batches[0], slice(0, 1)), batches[0]]
        found = Exported(
            task=run.recipe.task.name,
            format=format,
            path=str(path),
            any_batch_size=not why_fixed,
            nbytes=file.stat().st_size,
            weights_nbytes=sum(one.nbytes for one in run.model.state_dict().values() if isinstance(one, Tensor)),
            samples=sum(map(size_of, batches)),
            largest_difference=difference,
            metric_name=None if trained is None else run.quality.name,
            metric_trained=trained,
            metric_exported=exported,
            latencies=tuple(
                latency(run.model, function, call, budget_s=LATENCY_BUDGET_S) for call in calls_of(run, timed)
            ),
            threads=torch.get_num_threads(),
            notes=tuple(notes),
        )
        with file.open("rb") as content:
            write_atomically(path, partial(shutil.copyfileobj, content))
    return found


def _written(run: Session, program: ExportedProgram, format: Format, file: Path) -> tuple[Function, list[str]]:  # noqa: A002
    """Write the file; return it as a function, and what to know about it."""
    if format is Format.INT8:
        function, how = write_int8(program, file, _calibration(run))
        return function, [how]
    return (write_pt2 if format is Format.PT2 else write_onnx)(program, file), []


def _two_sizes(run: Session, batch: Batch) -> tuple[Call, Call]:
    size = min(size_of(batch), _EXAMPLE_SIZE)
    if size < 3:
        raise BadInput("the batches have less than three samples, and two sizes above 1 tell what is open.")
    first, second = calls_of(run, [select(batch, slice(0, size)), select(batch, slice(0, size - 1))])
    return first, second


def _calibration(run: Session) -> Sequence[Call]:
    """Return calls with training batches, as training changes them but in evaluation mode."""
    return list(calls_of(run, (batch for _, batch in islice(run.batches(), CALIBRATION_BATCHES))))
