"""The code of docs/extending.md, run as it stands."""

import re
from pathlib import Path
from typing import Any

import pytest

import hasten
from hasten.diagnosis.registry import RULES
from hasten.tasks.loading import load_task
from hasten.tasks.registry import TASKS
from hasten.techniques.registry import techniques

from tiny_tasks import mlp_task

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture(autouse=True)
def forgotten():
    yield
    for registry in (techniques(), RULES, TASKS):
        registry.reload()


def test_each_block_of_the_page_adds_what_it_says():
    technique, rule, task = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    for block in (technique, rule, task):
        exec(block, names)
    trained = hasten.train(mlp_task(), [names["HalfRate"](times=2)], runs=None)
    assert trained.result.plan == ("half_rate(times=2)",)
    assert RULES["my_symptom"] is names["find"]
    assert load_task("my-task").name == "linear"
