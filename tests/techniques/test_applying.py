"""Plans become recipes: order, conflicts, refusals, knobs, and the plan file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten import Choice, Plan
from hasten.base.errors import BadInput, Refused
from hasten.base.records.record import Interval
from hasten.base.stages import STAGES
from hasten.machine import facts
from hasten.techniques.applying import apply_all, apply_plan, in_order, knobs_of, make
from hasten.techniques.plan_file import read_plan, write_plan
from hasten.techniques.registry import techniques
from hasten.training.recipe import baseline

from tiny_tasks import cnn_task, mlp_task

NAMES = sorted(techniques())


@settings(max_examples=50, deadline=None)
@given(names=st.lists(st.sampled_from(NAMES), unique=True))
def test_order_is_that_of_the_stages_whatever_the_plan_says(names: list[str]) -> None:
    ordered = [one.card for one in in_order([make(name) for name in names])]
    stages = [STAGES.index(card.stage) for card in ordered]
    assert stages == sorted(stages)
    for position, card in enumerate(ordered):
        assert not set(card.after) & {later.name for later in ordered[position:]}


def test_conflicts_and_doubles_are_named() -> None:
    recipe, machine = baseline(mlp_task()), facts()
    with pytest.raises(BadInput, match="delayed_update cannot be combined with micro_batch"):
        apply_all([make("delayed_update"), make("micro_batch")], recipe, machine)
    with pytest.raises(BadInput, match="clip_norm is listed more than once"):
        apply_all([make("clip_norm"), make("clip_norm", {"max_norm": 3.0})], recipe, machine)


def test_a_refusal_has_its_reason() -> None:
    with pytest.raises(Refused, match="channels_last cannot be used on 'tiny': the model has no 2-dimensional"):
        apply_all([make("channels_last")], baseline(mlp_task()), facts())


def test_a_plan_for_another_task_is_refused() -> None:
    with pytest.raises(BadInput, match="is for the task 'other', not for 'tiny'"):
        apply_plan(Plan(task="other"), baseline(mlp_task()), facts())


@pytest.mark.parametrize("name", NAMES)
def test_applying_leaves_the_recipe_as_it_was(name: str) -> None:
    for task in (mlp_task(samples=4000), cnn_task()):
        recipe, one = baseline(task), make(name)
        before = replace(recipe)
        if one.refuse(recipe, facts()) is None:
            assert one.apply(recipe) != recipe
        assert recipe == before


def test_knobs_are_checked() -> None:
    assert knobs_of(make("clip_norm", {"max_norm": 2})) == {"max_norm": 2.0}
    assert knobs_of(make("clip_norm", {"max_norm": 1.0})) == {}
    with pytest.raises(BadInput, match="unknown knob of 'clip_norm' 'max_nrom'. Did you mean max_norm"):
        make("clip_norm", {"max_nrom": 1.0})
    with pytest.raises(BadInput, match="must be in range; found: Expected `float` > 0"):
        make("clip_norm", {"max_norm": -1.0})
    with pytest.raises(BadInput, match="Did you mean clip_norm"):
        make("clip_norms")


def test_a_plan_file_says_the_gain_and_reads_back(tmp_path: Path) -> None:
    gain = Interval(value=1.5, low=1.4, high=1.6, n=12)
    plan = Plan(
        task="tiny",
        choices=(Choice(technique="clip_norm", knobs={"max_norm": 2.0}, gain=gain), Choice(technique="bf16")),
        machine="a test",
    )
    write_plan(plan, tmp_path / "plan.toml")
    text = (tmp_path / "plan.toml").read_text()
    assert "[clip_norm] # 1.50x as fast with it, 95 % interval [1.40, 1.60], n = 12 pairs" in text
    read = read_plan(tmp_path / "plan.toml")
    assert [(choice.technique, choice.knobs) for choice in read.choices] == [("clip_norm", {"max_norm": 2.0}),
                                                                            ("bf16", {})]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('task = "t"\n\n[clip_norm]\n# a comment\nmax_nrm = 2\n', "line 5: unknown knob .* Known: max_norm"),
        ('task = "t"\n[clip_norm]\nmax_norm = "a lot"\n', "line 3: .*Expected `float`, got `str`"),
        ('task = "t"\n[bf61]\n', "line 2: unknown technique 'bf61'. Did you mean bf16"),
        ("[bf16]\n", "must name its task"),
        ('task = "t"\nbf16 = true\n', "line 2: 'bf16' must be a table"),
        ('task = "t"\n[bf16\n', r"must be a plan in TOML; found: .*line 2"),
    ],
)
def test_mistakes_in_a_plan_file_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(BadInput, match=message):
        read_plan(tmp_path / "plan.toml")


def test_a_missing_plan_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none.toml must be a readable plan file"):
        read_plan(tmp_path / "none.toml")
