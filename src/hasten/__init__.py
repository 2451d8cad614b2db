"""hasten: gradient training in PyTorch made faster, with proof.

The verbs are functions (`check`, `diagnose`, `run`, `train`, `profile`, `tune`, `find_lr`, `find_batch_size`,
`find_layout`, `attribute`, `eject`, `export`); the nouns that they take are `Task` and what it is made of. `watch` and
its kin profile loops and trainers that hasten did not write. Everything is loaded when it is first used, so that
`import hasten` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hasten.api import (
        attribute,
        check,
        diagnose,
        eject,
        eject_diff,
        export,
        find_batch_size,
        find_layout,
        find_lr,
        load_plan,
        profile,
        run,
        save_plan,
        train,
        tune,
    )
    from hasten.base.records.plan import Choice, Plan
    from hasten.data.names import Names
    from hasten.loops.apply import apply
    from hasten.loops.apply_lightning import lightning_apply
    from hasten.loops.apply_transformers import transformers_apply
    from hasten.loops.tune_loop import tune_loop
    from hasten.pipeline.diagnosing import diagnosing
    from hasten.profiling.watch import watch
    from hasten.profiling.watch_lightning import lightning_watch
    from hasten.profiling.watch_transformers import transformers_watch
    from hasten.training.loss import CrossEntropy, Loss
    from hasten.training.schedule import Schedule
    from hasten.training.task import Data, Stop, Task, Update

__version__ = "0.1.0"

_HOMES = {
    "apply": "hasten.loops.apply",
    "diagnosing": "hasten.pipeline.diagnosing",
    "lightning_apply": "hasten.loops.apply_lightning",
    "tune_loop": "hasten.loops.tune_loop",
    "transformers_apply": "hasten.loops.apply_transformers",
    "run": "hasten.api",
    "attribute": "hasten.api",
    "check": "hasten.api",
    "diagnose": "hasten.api",
    "eject": "hasten.api",
    "export": "hasten.api",
    "eject_diff": "hasten.api",
    "find_batch_size": "hasten.api",
    "find_layout": "hasten.api",
    "find_lr": "hasten.api",
    "load_plan": "hasten.api",
    "save_plan": "hasten.api",
    "train": "hasten.api",
    "profile": "hasten.api",
    "tune": "hasten.api",
    "Names": "hasten.data.names",
    "Choice": "hasten.base.records.plan",
    "Plan": "hasten.base.records.plan",
    "watch": "hasten.profiling.watch",
    "lightning_watch": "hasten.profiling.watch_lightning",
    "transformers_watch": "hasten.profiling.watch_transformers",
    "CrossEntropy": "hasten.training.loss",
    "Loss": "hasten.training.loss",
    "Schedule": "hasten.training.schedule",
    "Data": "hasten.training.task",
    "Stop": "hasten.training.task",
    "Task": "hasten.training.task",
    "Update": "hasten.training.task",
}

__all__ = [
    "Choice",
    "CrossEntropy",
    "Data",
    "Loss",
    "Names",
    "Plan",
    "Schedule",
    "Stop",
    "Task",
    "Update",
    "apply",
    "attribute",
    "check",
    "diagnose",
    "diagnosing",
    "eject",
    "eject_diff",
    "export",
    "find_batch_size",
    "find_layout",
    "find_lr",
    "lightning_apply",
    "lightning_watch",
    "load_plan",
    "profile",
    "run",
    "save_plan",
    "train",
    "transformers_apply",
    "transformers_watch",
    "tune",
    "tune_loop",
    "watch",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hasten' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
