"""A plan carried out on the objects of a training loop that its owner keeps.

    with hasten.apply("plan.toml", model=model, optimizer=optimizer, loader=loader, loss=criterion) as fast:
        for inputs, targets in fast.loader:
            loss = fast.loss(fast.model(inputs), targets)
            loss.backward()
            fast.optimizer.step()
            fast.optimizer.zero_grad()

Nothing here knows a technique: the plan changes a recipe, and each stage of that recipe is carried out on the objects.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, Self

import msgspec
from torch import nn, optim
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.device import Device
from hasten.base.errors import BadInput, HastenWarning, Refused
from hasten.base.records.effect import Line, Outcome, Report
from hasten.base.records.trial import Tuning
from hasten.base.seeds import preserved
from hasten.data.batch import Batch, changed_in_turn
from hasten.loops.batches import Batches, changes_input
from hasten.loops.given import Given, check_optimizer, recipe_of
from hasten.loops.inside import Inside, candidates_of
from hasten.loops.optimizer import follow, rebind, remove_new_hooks, replaced, scale_rates, set_options
from hasten.loops.planning import Planned, PlanOf, planned, techniques_of, without
from hasten.loops.todo import replaces_optimizer
from hasten.loops.verifying import STEPS, judged
from hasten.loops.watching import StepWatch
from hasten.machine import facts
from hasten.techniques.applying import chosen_technique
from hasten.techniques.registry import techniques
from hasten.training.calls import Function, around_function, around_module
from hasten.training.effects import has_check, why_without_effect
from hasten.training.final_weights import final_weights
from hasten.training.loss import LossFunction
from hasten.training.recipe import BatchTransform, Recipe
from hasten.training.schedule import RateFactor, factor_of
from hasten.training.state_layout import keep_layout, lay_out_state
from hasten.training.technique import Technique
from hasten.training.transforms import Attached, GradientTransform, Parameters, PostStep, StepInfo


def apply(
    plan: PlanOf = (),
    *,
    model: nn.Module,
    optimizer: optim.Optimizer,
    loader: Iterable[Any] | None = None,
    loss: Callable[..., Any] | None = None,
    scheduler: LRScheduler | None = None,
    wrap: Callable[[nn.Module], nn.Module] | None = None,
    strict: bool = False,
    verify: bool | int = False,
    tune: bool | Iterable[Technique | type[Technique] | str] = False,
    device: str | None = None,
    steps: int | None = None,
    example: Batch | None = None,
    name: str = "loop",
) -> "Applied":
    """Return the objects of a training loop with a plan applied to them, for a `with` statement around the loop.

    Args:
        plan: a plan, the path of its file, or techniques (names, classes, instances).
        model: whose call is the forward pass.
        optimizer: over all trainable parameters of the model.
        loader: an iterable of batches; without it, what a plan does to batches is done to the arguments of the model.
        loss: called as `loss(output, target)`; leave it out where the model computes its loss.
        scheduler: a torch scheduler over the optimizer.
        wrap: (model) -> `DistributedDataParallel` or FSDP2 around it; done before compilation.
        strict: raise where a technique refuses or needs lines in the loop; otherwise it is a warning.
        verify: make the first steps (5, or as many as given) on copies of the objects, with and without the plan, and
            refuse a technique whose losses, gradients and updates break its guarantee; see `hasten.loops.verifying`.
        tune: try techniques in blocks of the loop's own steps, and go on with those that are faster: all that can be
            turned on and off there, or those given. They are verified first, as with `verify`, in as many steps; see
            `hasten.loops.inside`. In the place of a plan.
        device: to train on; None for where the model is.
        steps: updates that the loop will make, for techniques that need to know it, and for `tune`.
        example: a batch as the loop has it, for techniques that try the model; needed where the loader is not torch's
            `DataLoader` over a data set.
        name: of the loop, for messages.

    Raises:
        BadInput: if the plan cannot be read, the optimizer does not hold the model's parameters, or the loop cannot be
            tuned in its steps.
        Refused: with `strict`, if a technique cannot be applied completely.
    """
    if not isinstance(model, nn.Module) or not isinstance(optimizer, optim.Optimizer):
        raise BadInput(
            "hasten.apply needs a torch.nn.Module as model= and a torch.optim.Optimizer as optimizer=; "
            f"found {type(model).__name__} and {type(optimizer).__name__}."
        )
    first = next(model.parameters(), None)
    given = Given(
        model=model,
        optimizer=optimizer,
        loader=loader,
        loss=loss,
        scheduler=scheduler,
        example=example,
        steps=steps,
        device=device or str(first.device if first is not None else "cpu"),
        name=name,
    )
    count = STEPS if verify is True else int(verify)
    if count < 0:
        raise BadInput(f"verify= must be a number of steps, or True for {STEPS}; found {verify!r}.")
    fast = applied(plan, given, strict=strict, wrap=wrap, move=device is not None, verify=count)
    if tune is not False:
        names = techniques() if tune is True else tune
        fast.tune_inside([chosen_technique(one) for one in names], named=tune is not True, verify=count or STEPS)
    return fast


def applied(
    plan: PlanOf,
    given: Given,
    *,
    strict: bool,
    wrap: Callable[[nn.Module], nn.Module] | None = None,
    move: bool = False,
    verify: int = 0,
) -> "Applied":
    """Return the objects of a loop with a plan applied; see `apply`.

    Args:
        plan: see `apply`.
        given: the objects.
        strict: see `apply`.
        wrap: see `apply`.
        move: whether batches are moved to the device.
        verify: steps to verify the techniques in; 0 for none.
    """
    chosen = techniques_of(plan)
    check_optimizer(given.model, given.optimizer)
    plain = recipe_of(given)
    done = planned(chosen, given, plain, facts())
    if verify and done.used:
        wrong, said = judged(done.used, given, verify, lambda some, mine: applied(some, mine, strict=False))
        done = without(done, wrong, said, given, plain, facts())
    missing = [f"{line.technique} {line.outcome}: {line.detail}" for line in (*done.refused, *done.todo)]
    if missing and strict:
        raise Refused(f"the plan cannot be applied completely to {given.name!r}: " + "; ".join(missing) + ".")
    if missing:
        warnings.warn("hasten.apply: " + "; ".join(missing), HastenWarning, stacklevel=3)
    return Applied(given, plain, done, order=tuple(one.card.name for one in chosen), wrap=wrap, move=move)


class Applied:
    """The objects of a loop with a plan applied; the same objects where the plan changes nothing of them.

    Entering changes the model and the optimizer in place; leaving, also by an exception, gives them back as they were,
    with the trained weights and the state of the optimizer.

    Attributes:
        model: an instance of the model's class, with the same parameter names.
        optimizer: the one given, or another where the plan asks for one.
        loader: the loader given, or an iterable of the same batches.
        loss: to be called as the one given.
        scheduler: the one given, over `optimizer`.
        todo: the lines that the owner has to add, one for each technique that needs them.
    """

    def __init__(
        self,
        given: Given,
        plain: Recipe,
        done: Planned,
        *,
        order: tuple[str, ...],
        wrap: Callable[[nn.Module], nn.Module] | None,
        move: bool,
    ) -> None:
        self.model: nn.Module = given.model
        self.optimizer: optim.Optimizer = given.optimizer
        self.loader: Any = given.loader
        self.loss: Any = given.loss
        self.scheduler = given.scheduler
        self.todo: tuple[str, ...] = tuple(f"{line.technique}: {line.detail}" for line in done.todo)
        self.named_parameters: Parameters = {}
        self.gradient: list[Attached[GradientTransform]] = []
        self.post_step: list[Attached[PostStep]] = []
        self._given, self._plain, self._done = given, plain, done
        self._order, self._wrap, self._move = order, wrap, move
        self._inner = given.model  # without what `wrap` and the wrappers put around it
        self._steps = 0
        self._vetoed = False
        self._factor: RateFactor | None = None
        self._base_lrs: list[Any] = []
        self._watch: StepWatch | None = None
        self._inside: Inside | None = None
        self._held: Parameters = {}  # what the given optimizer holds, by name
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        recipe, given = self._done.recipe, self._given
        self._held = dict(self._inner.named_parameters())
        with ExitStack() as undo:
            undo.callback(self._give_optimizer_back)
            with preserved():
                self._change_model(recipe, undo)
                self._change_optimizer(recipe, undo)
            for make in recipe.forward.contexts:
                undo.enter_context(make())
            self._wrap_calls(recipe, undo)
            if given.loader is not None and (self._move or changes_input(recipe, self._plain)):
                self.loader = Batches(given.loader, recipe, self._plain, progress=self._progress, move=self._move)
                undo.callback(setattr, self, "loader", given.loader)
            self._hook_update(recipe, undo)
            if any(map(has_check, self._done.used)):
                self._watch = StepWatch(self.model, self.optimizer, called=given.method == "forward")
                undo.callback(self._watch.close)
            if self._inside is not None:
                self.loss = self._inside.begin(self.model, self.optimizer, undo)
                undo.callback(setattr, self, "loss", given.loss)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def plain(self) -> nn.Module:
        """Leave the block and return the plain model with the trained weights."""
        self._undo.close()
        return self._inner

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model hold the weights that the plan averages, for evaluating and saving inside of a `with`."""
        return final_weights(self)

    @property
    def tuning(self) -> Tuning | None:
        """What tuning in the steps of the loop has found; None until it is decided, or without `tune`."""
        return None if self._inside is None else self._inside.tuning

    def tune_inside(self, chosen: Sequence[Technique], *, named: bool, verify: int) -> None:
        """Let techniques be tried in the steps of the loop once the block is entered.

        Args:
            chosen: what may be tried.
            named: whether the report says of each why it could not be tried.
            verify: steps on copies of the objects in which they must keep their guarantee.

        Raises:
            BadInput: if there is a plan or something to wrap the model in, or the loop cannot be tuned in its steps.
        """
        if self._order:
            raise BadInput("a loop with a plan is not tuned inside: leave the plan out, or tune=.")
        if self._wrap is not None:
            raise BadInput("a model that is wrapped is not tuned inside its loop: leave wrap= out, or tune=.")
        given, plain, machine = self._given, self._plain, facts()
        found = candidates_of(
            chosen, given, plain, machine,
            named=named, verify=verify, apply=lambda some, mine: applied(some, mine, strict=False),
        )  # fmt: skip
        self._inside = Inside(found, given, plain, machine)

    def report(self) -> Report:
        """Return what became of each technique of the plan; effects are known after the third update."""
        if self._inside is not None:
            return self._inside.report()
        lines = {line.technique: line for line in (*self._done.refused, *self._done.todo)}
        seen = self._watch.seen if self._watch is not None else None
        for one in self._done.used:
            name = one.card.name
            why = why_without_effect(one, seen) if seen is not None else None
            if why is not None:
                lines[name] = Line(technique=name, outcome=Outcome.WITHOUT_EFFECT, detail=why)
            elif name not in lines:
                unseen = has_check(one) and seen is None
                outcome = Outcome.UNSEEN if unseen else Outcome.APPLIED
                lines[name] = Line(technique=name, outcome=outcome, detail=self._done.verified.get(name, ""))
        return Report(lines=tuple(lines[name] for name in self._order))

    def state_dict(self) -> dict[str, Any]:
        """Return what the plan's transforms remember, and what was found inside, for a checkpoint; not copied."""
        state = {
            "steps": self._steps,
            "gradient": [one.state for one in self.gradient],
            "post_step": [one.state for one in self.post_step],
        }
        if self.tuning is not None:
            state["tuning"] = msgspec.json.encode(self.tuning).decode()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned, inside of the block; a plan that was found goes on being used.

        Raises:
            BadInput: if a plan was found inside of a loop and this one has no `tune`.
        """
        if "tuning" in state:
            if self._inside is None:
                raise BadInput("this state is of a loop that has found its plan inside: pass tune= to hasten.apply.")
            self._inside.go_on(msgspec.json.decode(state["tuning"], type=Tuning))
        self._steps = state["steps"]
        for name, attached in (("gradient", self.gradient), ("post_step", self.post_step)):
            for one, saved in zip(attached, state[name], strict=True):
                one.load_state(saved, self._done.recipe.parallel.device)

    def _give_optimizer_back(self) -> None:
        plain = dict(self._inner.named_parameters())
        follow(self._given.optimizer, self._held, plain)
        lay_out_state(self._given.optimizer)
        self._held = plain

    def _change_model(self, recipe: Recipe, undo: ExitStack) -> None:
        """Make the surgeries, move the model, and put `wrap` around it."""
        undo.callback(setattr, self, "model", self._given.model)

        def take_back(change: Callable[[nn.Module], nn.Module]) -> None:
            self._inner = self.model = change(self._inner)

        for surgery in recipe.model:
            self._inner = surgery.change(self._inner)
            undo.callback(take_back, surgery.undo)
        first = next(self._inner.parameters())
        if Device(str(first.device)).name != recipe.device.name:
            undo.callback(self._inner.to, first.device)
            self._inner.to(recipe.parallel.device)
        self.model = self._inner if self._wrap is None else self._wrap(self._inner)

    def _change_optimizer(self, recipe: Recipe, undo: ExitStack) -> None:
        """Let the optimizer hold the final parameters, with the options that the recipe has, or put another in place.

        The callback that gives it back was registered before those of the surgeries, so that it runs after them.
        """
        given, before, after = self._given, self._plain.update, recipe.update
        if replaces_optimizer(recipe, self._plain):
            self._replace_optimizer(recipe, undo)
            return
        final = dict(self._inner.named_parameters())
        follow(given.optimizer, self._held, final)
        self._held = final
        undo.callback(keep_layout(given.optimizer))
        changed = {key: value for key, value in after.options.items() if before.options.get(key) != value}
        if changed:
            undo.callback(set_options(given.optimizer, changed))
        if after.lr != before.lr:
            assert after.lr is not None, "techniques change a rate that they know"
            assert before.lr is not None, "techniques change a rate that they know"
            undo.callback(scale_rates, given.optimizer, given.scheduler, before.lr / after.lr)
            scale_rates(given.optimizer, given.scheduler, after.lr / before.lr)

    def _replace_optimizer(self, recipe: Recipe, undo: ExitStack) -> None:
        given = self._given
        undo.callback(remove_new_hooks(self._inner.parameters()))
        self.optimizer, goes_on = replaced(given.optimizer, recipe.update, self._inner)
        undo.callback(setattr, self, "optimizer", given.optimizer)
        if not goes_on:
            warnings.warn(
                f"hasten.apply: {type(self.optimizer).__name__} starts without the state that "
                f"{type(given.optimizer).__name__} has, whose numbers mean something else.",
                HastenWarning,
                stacklevel=4,
            )
        if given.scheduler is not None:
            undo.callback(rebind(given.scheduler, self.optimizer))

    def _wrap_calls(self, recipe: Recipe, undo: ExitStack) -> None:
        """Put the wrappers of the recipe around the calls of the model and of the loss."""
        forward, loss = recipe.forward, self._given.loss
        wrappers = forward.wrappers
        if self._given.loader is None and recipe.input.batch_transforms:
            wrappers = (*wrappers, partial(_transformed, transforms=recipe.input.batch_transforms))
        if wrappers:
            undo.callback(around_module(self.model, wrappers, method=self._given.method))
        if loss is None:
            return
        if forward.loss is not self._plain.forward.loss:
            loss = _mean_of(forward.loss)
        if forward.wrappers and isinstance(loss, nn.Module):
            undo.callback(around_module(loss, forward.wrappers))
        elif forward.wrappers:
            loss = around_function(loss, forward.wrappers)
        self.loss = loss
        undo.callback(setattr, self, "loss", self._given.loss)

    def _hook_update(self, recipe: Recipe, undo: ExitStack) -> None:
        """Let the transforms of gradients, the schedule and the post-steps run around `optimizer.step()`."""
        named = {name: one for name, one in self._inner.named_parameters() if one.requires_grad}
        self.named_parameters = named
        self.gradient = [Attached(one, one.init(named)) for one in recipe.gradient]
        self.post_step = [Attached(one, one.init(named)) for one in recipe.update.post_step]
        if recipe.update.schedule != self._plain.update.schedule:
            self._factor = factor_of(recipe.update.schedule, self._given.steps, None)
            self._base_lrs = [group["lr"] for group in self.optimizer.param_groups]
            undo.callback(_set_rates, self.optimizer, list(self._base_lrs))
        if self.gradient or self.post_step or self._factor is not None:
            undo.callback(self.optimizer.register_step_pre_hook(self._before_update).remove)
            undo.callback(self.optimizer.register_step_post_hook(self._after_update).remove)

    def _before_update(self, optimizer: optim.Optimizer, args: Any, kwargs: Any) -> None:
        if self._factor is not None:
            factor = self._factor(self._steps, 0.0)
            _set_rates(optimizer, [rate * factor for rate in self._base_lrs])
        usable, info = True, StepInfo(step=self._steps, progress=self._progress())
        for one in self.gradient:
            usable = one.transform.update(self.named_parameters, one.state, info) and usable
        self._vetoed = not usable
        if self._vetoed:  # a step of an optimizer leaves parameters without gradients as they are
            for parameter in self.named_parameters.values():
                parameter.grad = None

    def _after_update(self, optimizer: optim.Optimizer, args: Any, kwargs: Any) -> None:
        info = StepInfo(step=self._steps, progress=self._progress())
        for one in self.post_step if not self._vetoed else ():
            one.transform.update(self.named_parameters, one.state, info)
        self._steps += 1

    def _progress(self) -> float:
        return min(1.0, self._steps / self._given.steps) if self._given.steps else 0.0


def _set_rates(optimizer: optim.Optimizer, rates: list[Any]) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def _transformed(function: Function, transforms: Sequence[BatchTransform]) -> Function:
    """Return a call of a model whose arguments are changed first, as a batch of the loop would be."""

    def changed(model: Any, given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        args, options = given
        return function(
            model,
            (
                changed_in_turn(args, transforms) if args else args,
                changed_in_turn(options, transforms) if options else options,
            ),
        )

    return changed


def _mean_of(loss: LossFunction) -> Callable[[Any, Any], Any]:
    """Return `(output, target) -> mean` of a loss of output and batch."""

    def mean(output: Any, target: Any) -> Any:
        found = loss(output, (output, target))
        return found.sum / found.count

    return mean
