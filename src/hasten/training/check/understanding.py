"""What was understood of a task: its batch, its loss, its data, and the first training step, for people."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from hasten.base.errors import HastenError
from hasten.base.records.task_check import TaskCheck
from hasten.base.seeds import preserved
from hasten.base.units import finite
from hasten.base.user_code import sample_of
from hasten.data.batch import Batch, unsplittable
from hasten.data.batch_text import in_line, kind_of
from hasten.data.batch_tree import leaves_to_show
from hasten.data.loading.given import Given
from hasten.data.loading.given_loader import GivenOrder
from hasten.data.loading.loaders import Fetched
from hasten.data.loading.sample_randomness import restored
from hasten.data.loading.streams import Stream, samples_in
from hasten.training.building import build
from hasten.training.check.call import call_text
from hasten.training.check.failure import described, failure, with_batch
from hasten.training.check.loss import notes_on_loss
from hasten.training.data_notes import data_notes
from hasten.training.loss import ClassLoss, LossFunction, OfMean, OfReturned, SquaredError
from hasten.training.metrics import NamedQuality
from hasten.training.recipe import Recipe, training_of, validation_of
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.task import Stop, Task
from hasten.training.technique import labels_of


def understood(recipe: Recipe, notes: Iterable[str]) -> TaskCheck:
    """Return what a recipe will do, from its first training step, made on a session of its own.

    The global random generators stay as they are. It costs building the model, one batch and one step.

    Args:
        recipe: of a task that passed `check`.
        notes: that `check` returned.

    Raises:
        BadInput: if the first batch cannot be read, or the first step fails.
    """
    data = recipe.task.data
    with preserved(), restored(data.train, data.valid):
        run = _built(recipe)
        first = _first_step(run)
    task, given, loss = recipe.task, training_of(recipe.task), recipe.forward.loss
    trained, counting = dict(run.named_parameters), getattr(loss, "counting", None)
    known = {id(tensor) for tensor in run.model.parameters()}
    held = [tensor for group in run.optimizer.param_groups for tensor in group["params"]]
    in_optimizer = {id(tensor) for tensor in held}
    leaves = leaves_to_show(first.batch)
    return TaskCheck(
        task=task.name,
        batch=leaves,
        batch_kind=kind_of(first.batch),
        batch_size=samples_in(first.batch),
        target=_common_path([leaf.path for leaf in leaves if leaf.target]),
        model=type(run.model).__name__,
        parameters=sum(one.numel() for one in run.model.parameters()),
        frozen=sum(one.numel() for one in run.model.parameters() if not one.requires_grad),
        call=call_text(task, first.batch),
        output=first.output,
        loss=_loss_name(task),
        divides_by=_divisor(loss) if task.step is None else "the samples, where Task.step returns no count",
        not_additive=counting.broken if counting is not None else "",
        first_loss=first.loss,
        first_step_s=first.seconds,
        train=_reading(given, recipe),
        train_samples=recipe.subject.train_samples,
        steps_per_epoch=recipe.subject.steps_per_epoch,
        valid=_validation(task),
        valid_samples=recipe.subject.valid_samples,
        optimizer=_optimizer(run),
        schedule=_schedule(recipe),
        metric=_metric(run),
        stop=_stop(task.stop),
        without_gradient=tuple(name for name, one in trained.items() if id(one) not in first.reached),
        not_in_optimizer=tuple(name for name, one in trained.items() if id(one) not in in_optimizer),
        not_in_model=tuple(in_line(one) for one in held if id(one) not in known),
        replaceable=_replaceable(given),
        kept=(*_kept_of_task(recipe), *_kept(given, first.batch, loss)),
        notes=(*(one for one in notes if one not in notes_on_loss(loss)), *data_notes(recipe, saved=True)),
    )


@dataclass(frozen=True)
class _First:
    batch: Batch
    output: str
    loss: float | None
    seconds: float
    reached: frozenset[int]  # ids of the parameters that got a gradient


def _built(recipe: Recipe) -> Session:
    try:
        return build(recipe)
    except HastenError:
        raise
    except Exception as error:
        sample = "" if (index := sample_of(error)) is None else f" (sample {index} fails)"
        raise failure(f"model, optimizer and data must be ready for the first step{sample}", error) from error


def _first_step(run: Session) -> _First:
    """Make the first step of a session; note what the model returned and which parameters got a gradient."""
    outputs, reached = list[str](), set[int]()
    predict = run.predict

    def noting(batch: Batch) -> Any:
        output = predict(batch)
        outputs.append(described(output))
        return output

    run.predict = noting
    handles = [one.register_post_accumulate_grad_hook(lambda tensor: reached.add(id(tensor))) for one in run.parameters]
    try:
        with run.contexts, closing(run.fetched()) as fetched:
            batch = _read(run, fetched)
            run.set_learning_rate()
            with with_batch(batch, "training"):
                loss, seconds = _timed(run, batch)
    finally:
        for handle in handles:
            handle.remove()
    return _First(batch, outputs[0] if outputs else "", loss, seconds, frozenset(reached))


def _read(run: Session, fetched: Iterator[Fetched]) -> Batch:
    try:
        return run.training_batch(*next(fetched))
    except HastenError:
        raise
    except Exception as error:
        sample = "" if (index := sample_of(error)) is None else f" (sample {index})"
        raise failure(f"the first batch of the training data{sample} must be readable", error) from error


def _timed(run: Session, batch: Batch) -> tuple[float | None, float]:
    start = perf_counter()
    try:
        loss = step(run, batch)
        value = float(loss.average())
    except HastenError:
        raise
    except Exception as error:
        raise failure("the first training step must work", error) from error
    return finite(value), perf_counter() - start


def _common_path(paths: list[str]) -> str | None:
    """Return what several paths begin with: `batch[1]` of `batch[1]['boxes']` and `batch[1]['labels']`."""
    if not paths:
        return None
    if len(paths) == 1:
        return paths[0]
    common = paths[0]
    while not all(path == common or path[len(common) :].startswith(("[", ".")) for path in paths):
        common = common[: max(common.rfind("["), common.rfind("."))]
    return common


def _loss_name(task: Task) -> str:
    if task.step is not None:
        return "what Task.step returns"
    if task.objective is not None:
        return "what Task.objective returns"
    if task.loss == "model":
        return "what the model returns"
    return task.loss if isinstance(task.loss, str) else getattr(task.loss, "__name__", type(task.loss).__name__)


def _divisor(loss: LossFunction) -> str | None:
    """Return what the mean of a loss is taken over; None where it was not found."""
    if isinstance(loss, ClassLoss):
        labels = "the labels" if loss.ignore_index is None else f"the labels that are not {loss.ignore_index}"
        return labels if loss.weight is None else f"the class weights of {labels}"
    if isinstance(loss, SquaredError):
        return "the numbers of the target"
    if isinstance(loss, OfMean | OfReturned):
        return loss.counting.over if loss.counting is not None and not loss.counting.broken else None
    return "what its count() returns"


def _reading(given: Given, recipe: Recipe) -> str:
    """Return how the training data are read today."""
    if isinstance(given, Stream):
        return f"a stream of batches: {given.reason}"
    loader = given.given
    if loader is None:
        workers, order = recipe.task.data.workers, "in one full batch" if recipe.subject.full_batch else "shuffled"
        source = type(given.dataset).__name__
    else:
        workers, source = loader.num_workers, f"your DataLoader over {type(given.dataset).__name__}"
        order = f"in the order of its {type(loader.sampler).__name__}"
    read = f"{workers} worker{'s' * (workers != 1)}" if workers else "no workers"
    own = getattr(given.collate, "__name__", type(given.collate).__name__)
    collate = "" if own == "default_collate" else f", collated by {own}"
    return f"{source}, {order}, {read}{collate}{', without a smaller last batch' if given.drop_last else ''}"


def _validation(task: Task) -> str:
    own = "" if task.validate is None else "Task.validate"
    given = validation_of(task)
    if given is None:
        return own
    source = given.reason if isinstance(given, Stream) else type(given.dataset).__name__
    every = task.stop.evaluate_every
    when = "after each epoch" if every is None else f"every {every} steps"
    return f"{source}, {when}{f', beside {own}' if own else ''}"


def _optimizer(run: Session) -> str:
    groups = run.optimizer.param_groups
    tensors = sum(len(group["params"]) for group in groups)
    rates = dict.fromkeys(f"{rate:g}" for rate in run.base_lrs)
    several = f" in {len(groups)} groups" if len(groups) > 1 else ""
    kinds = " and ".join(type(one).__name__ for one in run.optimizers.values())
    return f"{kinds}, learning rate {' and '.join(rates)}, {tensors} tensors{several}"


def _schedule(recipe: Recipe) -> str:
    schedule = recipe.update.schedule
    name = getattr(schedule.function, "__name__", "") if schedule.function is not None else schedule.name
    words = "a function of your own" if name in ("", "<lambda>") else name
    warmup = f", {schedule.warmup} steps of warm-up" if schedule.warmup else ""
    if words == "plateau":
        return f"plateau, lowered where the validation loss stops falling{warmup}"
    return words if words == "fixed" else f"{words}, moved once per {schedule.per}{warmup}"


def _metric(run: Session) -> str:
    better = "higher" if run.quality.higher_is_better else "lower"
    source = " of Task.validate" if isinstance(run.quality, NamedQuality) else ""
    return f"{run.quality.name}{source}, {better} is better"


def _stop(stop: Stop) -> str:
    limits = [(stop.epochs, "epochs"), (stop.steps, "steps"), (stop.seconds, "seconds")]
    words = [f"{value:g} {unit if value != 1 else unit[:-1]}" for value, unit in limits if value is not None]
    words += [] if stop.target is None else [f"metric {stop.target:g}"]
    words += [] if stop.patience is None else [f"{stop.patience} evaluations without a better metric"]
    return ", ".join(words)


def _replaceable(given: Given) -> tuple[str, ...]:
    """Return what of the training a plan may replace although the batches stay the same."""
    if isinstance(given, Stream):
        return ()
    if isinstance(given.order, GivenOrder):
        return ("how your DataLoader reads: its workers, collation and pinning. The batches stay the same.",)
    return ("how samples are read. The batches stay the same.",)


def _kept_of_task(recipe: Recipe) -> tuple[str, ...]:
    """Return what no plan replaces since the task does it itself, or uses it today."""
    kept = [] if recipe.task_step is None else ["Task.step: its backward passes, updates and optimizers"]
    if recipe.uses:
        kept.append(f"what is used today: {', '.join(labels_of(recipe.uses))}")
    return tuple(kept)


def _kept(given: Given, batch: Batch, loss: LossFunction) -> tuple[str, ...]:
    """Return what no plan replaces, each with the reason."""
    kept = [f"how the batches are made: {given.reason}"] if isinstance(given, Stream) else []
    if (reason := unsplittable(batch)) is not None:
        kept.append(f"the batch, which is never split: {reason}")
    counting = getattr(loss, "counting", None)
    if counting is not None and counting.broken:
        kept.append("the number of samples in a backward pass: the divisor of the loss was not found")
    return tuple(kept)
