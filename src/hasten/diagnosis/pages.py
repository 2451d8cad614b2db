"""The page of a rule: the docstring of its module, in which every rule has the same headings."""

import re
from dataclasses import dataclass
from importlib import import_module
from inspect import getdoc

from hasten.base.errors import unknown_name
from hasten.diagnosis.registry import HEALTH, IDENTIFIERS, SPEED, module_of

HEADINGS = ("Signal", "Threshold", "Why", "Example", "Wrong when", "Source")
"""What the page of a rule about health has; those about speed have Signal, Threshold and Source."""
_HEADING = re.compile(rf"^({'|'.join(HEADINGS)}): ", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """What a rule looks at, from which number on it fires, why that matters, and when it is wrong."""

    id: str
    symptom: str
    title: str
    sections: dict[str, str]  # heading -> text


def page(name: str) -> Page:
    """Return the page of a built-in rule, by its identifier or its symptom.

    Raises:
        BadInput: if there is no such rule.
    """
    symptom = {identifier.lower(): symptom for identifier, symptom in (HEALTH | SPEED).items()}.get(name.lower(), name)
    if symptom not in IDENTIFIERS:
        raise unknown_name("rule", name, (*IDENTIFIERS, *IDENTIFIERS.values()))
    text = getdoc(import_module(module_of(symptom))) or ""
    head, *parts = _HEADING.split(text)
    sections = {heading: " ".join(body.split()) for heading, body in zip(parts[::2], parts[1::2], strict=True)}
    return Page(IDENTIFIERS[symptom], symptom, head.split(":", 1)[-1].strip().rstrip("."), sections)


def source_of(symptom: str) -> str:
    """Return where the threshold of a rule comes from; nothing for a rule that is not built in."""
    return page(symptom).sections.get("Source", "") if symptom in IDENTIFIERS else ""
