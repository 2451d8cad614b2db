"""The technique that computes a batch in parts, for who needs it in a plan: to use less memory."""

import msgspec

from hasten.base.records.plan import Choice, Plan
from hasten.techniques.backward.micro_batch import MicroBatch
from hasten.training.technique import choice_of


def parts_of(size: int) -> Choice:
    """Return the choice of a plan that computes so many samples at once."""
    return choice_of(MicroBatch(size))


def with_parts(plan: Plan, size: int) -> Plan:
    """Return the plan with parts of so many samples, in place of those that it has."""
    parts = parts_of(size)
    others = tuple(one for one in plan.choices if one.technique != parts.technique)
    return msgspec.structs.replace(plan, choices=(*others, parts))
