"""What a technique changes that only the owner of a loop can change, as the lines to add to the loop."""

from hasten.data.loading.sample_randomness import drawn_from
from hasten.loops.batches import changes_source, reads_samples
from hasten.loops.given import Given
from hasten.loops.optimizer import differing_groups
from hasten.training.recipe import Recipe
from hasten.training.transforms import Averaging


def impossible(given: Given, before: Recipe, after: Recipe) -> str | None:
    """Return why a change of a recipe cannot be made in a loop of one's own, with whatever lines; None where it can."""
    if after.step is not before.step or after.backward.forward_backward is not before.backward.forward_backward:
        return "it replaces the whole step, which only `hasten.train` can do"
    if after.input.sampling is not before.input.sampling:
        return "it needs the loss of every sample by its id, which only `hasten.train` knows"
    if after.forward.predict is not before.forward.predict:
        return "it replaces the call of the model, which only `hasten.train` makes"
    if after.forward.loss is not before.forward.loss and given.loss is None:
        return "it computes the loss itself: pass the loss function as `loss=`"
    if given.loader is None and changes_source(after, before):
        return "it changes how batches are made, and the loop gave no `loader=`"
    if reads_samples(after, before) and drawn_from(after.subject.train_data()):
        return "the samples draw random numbers, which would be others than those that the loader of the loop draws"
    if replaces_optimizer(after, before) and given.keeps_optimizer:
        return "it needs another optimizer, and the trainer keeps its own"
    if replaces_optimizer(after, before) and (reason := differing_groups(given.optimizer)) is not None:
        return reason
    if after.update.schedule != before.update.schedule and given.scheduler is not None:
        return "the loop has a scheduler of its own"
    return None


def replaces_optimizer(after: Recipe, before: Recipe) -> bool:
    """Return whether a recipe has another optimizer, and not the same one with other options."""
    new, old = after.update, before.update
    if new.optimizer is not old.optimizer and new.optimizer != old.optimizer:
        return True
    return not old.options.keys() <= new.options.keys()


def lines(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """Return what the owner of the loop has to write into it for what a technique changes; empty where nothing."""
    found: list[str] = []
    old, new = before.input.batch_size, after.input.batch_size
    part = after.backward.micro_batch
    if new != old and part == old and new % old == 0:
        times = new // old
        found.append(
            f"update once for {times} batches: `(loss / {times}).backward()`, and "
            f"`if number % {times} == {times - 1}: fast.optimizer.step(); fast.optimizer.zero_grad()`"
        )
    elif new != old:
        found.append(f"build the loader with `batch_size={new}`")
    elif part != before.backward.micro_batch:
        found.append(
            "compute each batch in parts, in place of the lines of loss and backward: "
            f"`for x, y in zip(inputs.split({part}), targets.split({part})): "
            "(fast.loss(fast.model(x), y) * len(y) / len(targets)).backward()`"
        )
    if after.backward.loss_scale != before.backward.loss_scale:
        device, scale = after.device.kind, after.backward.loss_scale
        found.append(
            f"scale the loss: before the loop `scaler = torch.amp.GradScaler({device!r}, init_scale={scale})`; in it "
            "`scaler.scale(loss).backward(); scaler.step(fast.optimizer); scaler.update()` in place of "
            "`loss.backward()` and `fast.optimizer.step()`"
        )
    if any(isinstance(one, Averaging) for one in after.update.post_step[len(before.update.post_step) :]):
        found.append("evaluate and save with the averaged weights: `with fast.averaged(): evaluate(fast.model)`")
    return tuple(found)
