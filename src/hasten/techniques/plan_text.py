"""A plan as the TOML text that a person reads and edits; needs no torch."""

import tomlkit

from hasten.base.records.plan import Choice, Plan

NOT_MEASURED = "not measured"


def plan_text(plan: Plan) -> str:
    """Return the plan as TOML: one table per technique, its measured gain as a comment."""
    document = tomlkit.document()
    document.add(tomlkit.comment("A hasten plan: one table per technique. Delete a table to leave a technique out."))
    if plan.machine:
        versions = ", ".join(f"{name} {version}" for name, version in plan.versions.items())
        document.add(tomlkit.comment(f"Measured on {plan.machine}{f' with {versions}' if versions else ''}."))
    document.add("task", tomlkit.item(plan.task))
    if not plan.choices:
        document.add(tomlkit.comment("It holds no technique: this is the plain training."))
    for choice in plan.choices:
        table = tomlkit.table()
        table.comment(measured(choice))
        for knob, value in choice.knobs.items():
            table.add(knob, value)
        document.add(choice.technique, table)
    return tomlkit.dumps(document)


def measured(choice: Choice) -> str:
    """Return in one line what a technique of a plan was measured to gain."""
    if choice.gain is None:
        return choice.note or NOT_MEASURED
    gain = choice.gain
    text = f"{gain.value:.2f}x as fast with it, 95 % interval [{gain.low:.2f}, {gain.high:.2f}], n = {gain.n} pairs"
    return f"{text}; {choice.note}" if choice.note else text
