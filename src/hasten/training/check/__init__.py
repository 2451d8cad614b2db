"""A look at a task before anything else: what cannot work is told at once, in one message that says where.

One batch of two samples goes through a fresh model, the loss, its gradient and the metric; the data are read once
where that is cheap. The process is left as it was found.
"""

from dataclasses import replace

from torch import Tensor

from hasten.base.seeds import preserved, seed_all
from hasten.training.check.augmentation import check_augmentation, prepared
from hasten.training.check.data import look, notes_on_batch_size, notes_on_workers
from hasten.training.check.failure import with_batch
from hasten.training.check.labels import check_labels
from hasten.training.check.loss import check_gradient, check_loss, notes_on_loss
from hasten.training.check.model import check_last_batch, check_output, fresh_model, trial_output
from hasten.training.check.own_step import check_own_step
from hasten.training.check.quality import check_metric, check_output_is_judged, check_target, check_validate
from hasten.training.check.update import check_optimizer, check_step
from hasten.training.metrics import Quality
from hasten.training.recipe import baseline, counted, forward_of, training_of, validation_of
from hasten.training.task import Task, quality_of


def check(task: Task) -> tuple[str, ...]:
    """Raise an error if the task cannot be trained; return what to know about it, one sentence each.

    Data sets that can be gathered (`hasten.data.loading.gather`) are read for up to half a second each,
    completely where that suffices; of others, some samples are. A step of the task's own is made once. Neither the
    global random generators nor any model that the person holds are changed.

    Raises:
        BadInput: says what must hold, what was found, where, and what to do.
    """
    with preserved():
        seed_all(task.seed)
        quality, forward = quality_of(task), forward_of(task)
        loss = forward.loss
        check_target(task, quality)
        check_output_is_judged(task, quality)
        read = [look(training_of(task), "training")]
        if (given := validation_of(task)) is not None:
            read.append(look(given, "validation"))
        if task.step is not None:
            model = fresh_model(task, forward.predict, read[0])
            check_optimizer(task, model)
            check_own_step(task)
            check_validate(task, model.eval(), quality)
            return notes_on_workers(task.data)
        train, *valid = (replace(seen, batch=prepared(task, seen)) for seen in read)
        model = fresh_model(task, forward.predict, train)
        optimizer = check_optimizer(task, model)
        model.eval()
        for seen in (train, *valid):
            with with_batch(seen.batch, seen.part):
                output = trial_output(model, task, forward.predict, seen)
                check_output(task, loss, output, seen)
                check_labels(loss, output, seen)
                value = check_loss(loss, output, seen)
                if isinstance(quality, Quality) and quality.compares:
                    check_metric(quality, output, seen, getattr(loss, "class_dim", None))
                if seen is train:
                    check_gradient(value, model)
        check_validate(task, model, quality)
        check_last_batch(task, model, train)
        with with_batch(train.batch, train.part):
            check_augmentation(task, model, forward, read[0])

        def closure() -> Tensor:
            optimizer.zero_grad()
            mean = loss(forward.predict(model, train.batch), train.batch).average()
            mean.backward()
            return mean

        check_step(optimizer, closure)
        notes = notes_on_loss(counted(baseline(task)).forward.loss)
    return (*notes, *notes_on_batch_size(task, train), *notes_on_workers(task.data))
