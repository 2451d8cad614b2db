"""Let processes update on their own for some steps, and average their weights then (local SGD, DiLoCo).

What it does
    Each process makes `every` steps by the gradient of its own share of each batch. Then the weights that all last had
    in common move by the mean of the changes: by all of it with `local_sgd`, by a step of Nesterov's momentum with
    `diloco`. Processes are weighted by the terms of the loss that they have trained on, so shares may differ.

Why it helps
    Nothing is sent in the steps between, so that links may be `every` times as slow, and a process that is late for one
    step holds up nobody.

When it hurts
    Each step follows the gradient of a share: a noisier one, at the learning rate of the whole batch. The larger
    `every`, the further processes drift apart, most of all early in a training and where their data differ.

Numerics
    Another trajectory. With `every` = 1 and plain SGD `local_sgd` is the training of one process but for rounding.

Known problems
    Between two synchronizations nothing is decided: a run is evaluated, saved and stopped (time, Ctrl-C) after the next
    one, and the loss of each step is reported then. A run that ends between two synchronizes once more, so that one
    that is then resumed with a later end has another path. Inner optimizers keep their states to themselves, and a
    checkpoint holds all of them; resumed in more processes, several begin with the same. Clipping looks at gradients of
    shares. Running statistics of batch normalization are those of the first process.

Source
    Stich, 2018, arXiv:1805.09767; McMahan et al., 2017, arXiv:1602.05629 (weights by samples); Douillard et al., 2023,
    arXiv:2311.08105 (DiLoCo).
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.training.local_steps import LocalSteps
from hasten.training.optimizers import build_optimizer, needs_closure
from hasten.training.recipe import Recipe
from hasten.training.reduction import after_backward
from hasten.training.transforms import Stateless

_OTHERS = (
    "ddp",
    "bf16_reduction",
    "powersgd",
    "shares_by_speed",
    "fsdp",
    "fsdp_bf16",
    "tensor_parallel",
    "sync_batch_norm",
    "optimizer_in_backward",
)


def _why_not_alone(recipe: Recipe, every: int) -> str | None:
    """Return why processes cannot make steps of a recipe on their own, or None."""
    if recipe.parallel.processes is None:
        return "one process alone trains: there is nothing to average"
    if recipe.parallel.reduction is not after_backward or recipe.parallel.idle is not None:
        return "another technique lets processes talk in every step"
    if recipe.backward.loss_scale is not None:
        return "each process would have a loss scale of its own"
    if recipe.update.post_step:
        return "the recipe keeps or changes parameters after each update, and those of processes differ"
    if not all(isinstance(one, Stateless) for one in recipe.gradient):
        return "a gradient transform remembers gradients, and those of processes differ"
    optimizer = build_optimizer(recipe.update, recipe.subject.fresh_model())
    if needs_closure(optimizer) or hasattr(optimizer, "eval"):
        return f"{type(optimizer).__name__} computes losses itself, or is evaluated by other weights than it trains"
    planned = recipe.subject.planned_steps
    if planned is not None and planned <= every:
        return f"the run has {planned} steps, and processes would first meet after {every}"
    return None


def _on_their_own(recipe: Recipe, local: LocalSteps) -> Recipe:
    return replace(recipe, parallel=replace(recipe.parallel, local=local, keeps=True))


@dataclass(frozen=True)
class LocalSgd:
    """Update in each process alone, and average the weights every few steps."""

    every: Annotated[int, Meta(ge=1, description="steps between two averages")] = 8

    card: ClassVar[Card] = Card(
        name="local_sgd",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.TRAJECTORY,
        idea="local SGD: processes update on their own and average their weights every few steps",
        source="Stich, 2018, arXiv:1805.09767",
        needs=("several processes", "a slow link, to be of use"),
        conflicts=(*_OTHERS, "diloco"),
        saves_in=Stage.BACKWARD,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, short runs, and what each process would have to keep by itself."""
        return _why_not_alone(recipe, self.every)

    def apply(self, recipe: Recipe) -> Recipe:
        """Let the processes update on their own."""
        return _on_their_own(recipe, LocalSteps(self.every))


@dataclass(frozen=True)
class DiLoCo:
    """Update in each process alone, and move the common weights by Nesterov's momentum of the mean change."""

    every: Annotated[int, Meta(ge=1, description="inner steps between two outer ones")] = 100
    lr: Annotated[float, Meta(gt=0, description="learning rate of the outer step")] = 0.7
    momentum: Annotated[float, Meta(gt=0, lt=1, description="Nesterov's momentum of the outer step")] = 0.9

    card: ClassVar[Card] = Card(
        name="diloco",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.TRAJECTORY,
        idea="DiLoCo: many steps in each process alone, then an outer step by Nesterov's momentum",
        source="Douillard et al., 2023, arXiv:2311.08105",
        needs=("several processes", "a slow link, to be of use"),
        conflicts=(*_OTHERS, "local_sgd"),
        saves_in=Stage.BACKWARD,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, short runs, and what each process would have to keep by itself."""
        return _why_not_alone(recipe, self.every)

    def apply(self, recipe: Recipe) -> Recipe:
        """Let the processes update on their own, and take outer steps."""
        return _on_their_own(recipe, LocalSteps(self.every, self.lr, self.momentum))
