"""Where every benchmark keeps its raw results: one JSON file with the machine, the versions and the date."""

import json
import platform
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import torch

import hasten
from hasten.base.records.record import Interval
from hasten.machine import facts
from hasten.measurement.statistics import ratio_interval
from hasten.techniques.old_names import old_names

RESULTS = Path(__file__).parent / "results"


def record(name: str, content: dict[str, Any]) -> Path:
    """Write `results/<name>.json` and return its path; intervals and other records become plain JSON."""
    machine = facts()
    whole = {
        "benchmark": name,
        "made_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "hasten": hasten.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "cpu": machine.cpu,
        "isa": machine.isa,
        "cores": machine.cores,
        "threads": torch.get_num_threads(),
        "gpu": machine.gpu,
        **content,
    }
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    return path


def recorded(name: str) -> dict[str, Any]:
    """Return what `results/<name>.json` holds, with the names that techniques have now."""
    text = (RESULTS / f"{name}.json").read_text()
    for old, new in old_names().items():
        text = text.replace(f'"{old}"', f'"{new}"')
    return json.loads(text)


def ratio(log_ratios: list[float]) -> Interval:
    """Return the typical ratio with its 95 % interval."""
    return ratio_interval(log_ratios)


def quoted(interval: dict[str, Any], digits: int = 2) -> str:
    """Return an interval of a result as it stands in a page: 2.31 [2.20, 2.43], n = 5."""
    value, low, high = (f"{interval[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}], n = {interval['n']}"


def told(interval: Interval) -> str:
    """Return an interval as it stands in a table."""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}], n = {interval.n}"
