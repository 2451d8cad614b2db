from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import hasten
from hasten import Choice, Plan
from hasten.base.errors import BadInput, HastenError, HastenWarning, Refused
from hasten.base.records.card import Card
from hasten.base.stages import Guarantee, Stage
from hasten.machine import facts
from hasten.techniques.applying import apply_plan, knob_types, make, plan_of
from hasten.techniques.old_names import old_names
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline

from tiny_tasks import mlp_task


@dataclass(frozen=True)
class Halved:
    """A technique that no registry knows."""

    card: ClassVar[Card] = Card(
        name="halved", stage=Stage.UPDATE, guarantee=Guarantee.TRAJECTORY, idea="halve the rate", source="a test"
    )
    times: int = 1

    def refuse(self, recipe: Recipe, machine: object) -> str | None:
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        assert recipe.update.lr is not None
        return recipe.with_update(lr=recipe.update.lr / 2**self.times)


@pytest.fixture(autouse=True)
def forgotten():
    yield
    techniques().reload()


def test_a_plan_is_saved_loaded_and_narrowed_from_python(tmp_path: Path):
    plan = plan_of("tiny", ["batched_gather", make("batch_size", {"factor": 4})])
    hasten.save_plan(plan, tmp_path / "plan.toml")
    read = hasten.load_plan(str(tmp_path / "plan.toml"))
    assert read.labels == plan.labels == ("batched_gather", "batch_size(factor=4)")
    assert read.only("batch_size").names == ("batch_size",)
    assert read.exclude("batch_size").names == ("batched_gather",)
    with pytest.raises(BadInput, match="batched_gather"):
        read.exclude("bached_gather")


def test_plans_of_the_same_techniques_with_other_knobs_are_two_plans():
    one, other = (Plan(task="t", choices=(Choice(technique="ema", knobs={"decay": knob}),)) for knob in (0.9, 0.99))
    assert one.names == other.names
    assert one.labels != other.labels
    assert one != other


@pytest.mark.parametrize(("old", "new"), old_names().items())
def test_an_old_name_in_a_plan_is_read_with_a_note(tmp_path: Path, old: str, new: str):
    (tmp_path / "plan.toml").write_text(f'task = "tiny"\n\n[{old}]\n')
    with pytest.warns(HastenWarning, match=f"{old!r} is now called {new!r}"):
        assert hasten.load_plan(tmp_path / "plan.toml").names == (new,)
    assert new in techniques()
    assert old not in techniques()


def test_a_technique_under_both_its_names_is_told(tmp_path: Path):
    (tmp_path / "plan.toml").write_text('task = "tiny"\n\n[centralize]\n\n[centralise]\n')
    with pytest.warns(HastenWarning), pytest.raises(BadInput, match=r"line 5: 'centralize' is listed more than once"):
        hasten.load_plan(tmp_path / "plan.toml")


def test_an_unregistered_technique_trains_from_python_with_its_knobs():
    found = hasten.train(mlp_task(), [Halved(times=2)], runs=None).result
    assert found.plan == ("halved(times=2)",)


def test_an_unregistered_technique_with_a_taken_name_is_told():
    taken = type("Taken", (Halved,), {"card": make("ema").card})
    with pytest.raises(BadInput, match="'ema': the name is taken"):
        hasten.train(mlp_task(), [taken()], runs=None)


def numbers_of(name: str) -> list[str]:
    return [knob for knob, hint in knob_types(techniques()[name]).items() if "int" in str(hint) or "float" in str(hint)]


@pytest.mark.parametrize("name", sorted(techniques()))
@pytest.mark.parametrize(
    "value",
    [
        10**30,
        float("nan"),
        *(pytest.param(one, marks=pytest.mark.slow) for one in (-(10**30), 1e300, float("inf"), 2**31)),
    ],
)
def test_an_absurd_number_in_a_plan_is_one_message(name: str, value: float):
    recipe = baseline(mlp_task())
    for knob in numbers_of(name):
        with pytest.raises((BadInput, Refused)) as said:
            apply_plan(Plan(task="tiny", choices=(Choice(technique=name, knobs={knob: value}),)), recipe, facts())
        assert isinstance(said.value, HastenError)
        assert len(str(said.value).splitlines()) == 1
