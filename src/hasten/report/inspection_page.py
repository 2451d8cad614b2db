"""A source of data on one HTML page, with pictures or rows of it."""

import base64
from pathlib import Path
from typing import Any

from hasten.base.files import write_text
from hasten.base.records.inspection import Inspection, Picture
from hasten.base.units import percent
from hasten.report.inspection_words import balance, head_line, named_counts, range_words
from hasten.report.page import templates
from hasten.report.wording import whole

_SHOWN = 100  # classes and columns


def write_inspection(inspection: Inspection, path: Path) -> None:
    """Write the page as one self-contained HTML file, atomically.

    Raises:
        BadInput: if the file cannot be written.
    """
    write_text(path, render_inspection(inspection))


def render_inspection(inspection: Inspection) -> str:
    """Return the page as HTML that needs nothing else: no network, no script, no other file."""
    return templates().get_template("inspection.html.j2").render(_contents(inspection))


def _contents(inspection: Inspection) -> dict[str, Any]:
    classes = inspection.classes
    total, largest = sum(number for _, number in classes), max((number for _, number in classes), default=0)
    return {
        "inspection": inspection,
        "head": head_line(inspection),
        "counts": named_counts(inspection),
        "balance": balance(classes) if classes else "",
        "classes": [
            (name, whole(number), percent(number / total), f"{100 * number / largest:.1f}")
            for name, number in classes[:_SHOWN]
        ],
        "columns": [(one.name, one.kind, one.missing, range_words(one)) for one in inspection.columns[:_SHOWN]],
        "hidden": max(0, len(classes) - _SHOWN) + max(0, len(inspection.columns) - _SHOWN),
        "partly": inspection.examined < inspection.num_samples,
        "examined": whole(inspection.examined),
        "pictures": [(picture.label, _address(picture)) for picture in inspection.pictures],
    }


def _address(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.content).decode()}"
