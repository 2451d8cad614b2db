"""The verbs: what a person calls from Python, and what every command of the command line calls."""

from hasten.api.choosing import find_batch_size, find_layout, find_lr, tune_layouts
from hasten.api.given import RUNS, Chosen, load_plan, save_plan, silent
from hasten.api.leaving import eject, eject_diff, export
from hasten.api.looking import attribute, check, diagnose, profile
from hasten.api.training import train
from hasten.api.tuning import compare, run, tune, verify_plan

__all__ = [
    "RUNS",
    "Chosen",
    "attribute",
    "check",
    "compare",
    "diagnose",
    "eject",
    "eject_diff",
    "export",
    "find_batch_size",
    "find_layout",
    "find_lr",
    "load_plan",
    "profile",
    "run",
    "save_plan",
    "silent",
    "train",
    "tune",
    "tune_layouts",
    "verify_plan",
]
