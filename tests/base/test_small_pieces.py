"""Errors, reports, optional packages, generators and the state of objects, each by its law."""

import os
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from hasten.base import cache_folder, files
from hasten.base.errors import BadInput, Interrupted, Refused, unknown_name
from hasten.base.object_state import ObjectState, Tensors, equal_states
from hasten.base.optional import attribute_of
from hasten.base.records.effect import Line, Outcome, Report
from hasten.base.records.profile import PartTime, Profile
from hasten.base.records.record import Interval
from hasten.base.records.signals import Ablation
from hasten.base.registry import Registry
from hasten.base.seeds import random_state, same_random_state
from hasten.base.stages import Guarantee
from hasten.base.units import seconds


def test_a_refusal_has_its_reason_alone() -> None:
    assert (str(Refused("all of it")), Refused("all of it").reason) == ("all of it", "all of it")
    assert (str(Refused("x: why", reason="why")), Refused("x: why", reason="why").reason) == ("x: why", "why")
    interrupted = Interrupted(15, "Saved.")
    assert (str(interrupted), interrupted.signal_number) == ("interrupted at once. Saved.", 15)


def test_at_most_three_near_names_are_offered() -> None:
    error = str(unknown_name("thing", "abcd", ["abce", "abcf", "abcg", "abch", "zzzz"]))
    assert error.count(" or ") == 2
    assert "Known: abce, abcf, abcg, abch, zzzz." in error
    assert str(unknown_name("thing", "x", [])) == "unknown thing 'x'. Known: none."
    assert "Did you mean" not in str(unknown_name("thing", "x", ["abc"]))


def test_what_became_of_a_plan_is_a_line_each() -> None:
    lines = Line(technique="a", outcome=Outcome.APPLIED), Line(technique="b", outcome=Outcome.REFUSED, detail="why")
    report = Report(lines=lines)
    assert str(report) == "a: applied\nb: refused: why"
    assert report.of("b") is lines[1]
    assert str(Report()) == "the plan is empty"


def test_the_first_module_that_is_there_is_used() -> None:
    assert attribute_of(["no_such_module", "math"], "pi", missing="none") == pytest.approx(3.14159, abs=1e-5)
    with pytest.raises(BadInput, match="install something"):
        attribute_of(["no_such_module"], "pi", missing="install something")


def test_guarantees_of_older_plans_are_read() -> None:
    assert Guarantee("path") is Guarantee.TRAJECTORY
    with pytest.raises(ValueError, match="no such"):
        Guarantee("no such")


def test_less_than_a_nanosecond_is_nothing() -> None:
    assert seconds(1e-10) == seconds(0.0) == "0 s"


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), lambda: np.random.rand(), random.random])
def test_states_differ_once_any_generator_has_drawn(draw: Any) -> None:
    before = random_state()
    assert same_random_state(before, random_state())
    draw()
    assert not same_random_state(before, random_state())


def test_a_normal_number_kept_for_later_is_part_of_the_state() -> None:
    np.random.seed(0)
    before = random_state()
    np.random.randn()
    after = random_state()
    after["numpy"] = {**after["numpy"], "keys": before["numpy"]["keys"], "position": before["numpy"]["position"]}
    assert not same_random_state(before, after)


def test_a_folder_that_cannot_be_entered_or_made_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, **_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", denied)
        assert not cache_folder._can_be_written(tmp_path / "x")

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_folder.tempfile, "TemporaryDirectory", full)
    with pytest.raises(BadInput, match=r"no folder for the cache: planted, and .*\(No space left on device\). Set XDG"):
        cache_folder._temporary("planted")


def test_a_disk_that_fills_up_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BadInput, match="cannot write .*x: No space left on device"):
        files.write_atomically(tmp_path / "x", full)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(BadInput, match="No space left"):
        files.write_text(tmp_path / "x", "text")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadInput, match="No space left"):  # also where it has gone meanwhile
        files.write_atomically(tmp_path / "x", lambda file: os.unlink(file.name) or full())


def test_the_length_of_a_registry_counts_what_packages_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name, value, dist = "b", "there:b", None

        def load(self) -> int:
            return 2

    monkeypatch.setattr("hasten.base.registry.entry_points", lambda group: [Point()])
    registry = Registry[int]("thing", group="things", built_in={"a": 1}, adapt=lambda name, member: member)
    assert len(registry) == 2
    assert registry["b"] == 2
    del registry["b"]
    assert "b" not in registry


class Counts:
    def __init__(self) -> None:
        self.calls, self.generator, self.cache = 0, torch.Generator(), None
        self.tensor = torch.zeros(2)
        self.late = lambda: missing  # noqa: F821

    def read(self) -> None:
        self.calls += 1
        torch.rand(1, generator=self.generator)
        self.cache = "filled"


def test_what_an_action_changes_each_time_is_told_and_undone() -> None:
    counts = Counts()
    state = ObjectState({"data": (counts, Tensors.NONE)})
    assert set(state.changed_by(counts.read)) == {"data.generator", "data.calls"}
    assert counts.calls == 0
    assert state.changed_by(lambda: None) == ()

    def fail() -> None:
        counts.calls += 1
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        state.changed_by(fail)
    assert counts.calls == 0


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (torch.zeros(2), torch.zeros(2), True),
        (torch.zeros(2), torch.ones(2), False),
        (torch.zeros(2), "text", False),
        ({"a": torch.zeros(2)}, {"a": torch.zeros(2)}, True),
        ({"a": torch.zeros(2)}, {"a": torch.ones(2)}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, 1, False),
        (float("nan"), float("nan"), True),
        (1, 1.0, False),
        (None, None, True),
    ],
)
def test_states_are_equal_bit_for_bit(one: Any, other: Any, equal: bool) -> None:
    assert equal_states(one, other) is equal


def test_a_tensor_that_cannot_be_changed_in_place_is_replaced() -> None:
    class Holder:
        def __init__(self) -> None:
            self.grown, self.turned = torch.zeros(2), torch.zeros(2, 3).T
            self.same = torch.zeros(2)

    holder = Holder()
    state = ObjectState({"loss": (holder, Tensors.ALL)})
    holder.grown, holder.turned, same = torch.ones(3), torch.ones(2, 3).T, holder.same
    saved = {name: value.clone() for name, value in state.state().items()}
    fresh = Holder()
    again = ObjectState({"loss": (fresh, Tensors.ALL)})
    kept = fresh.same
    again.load_state(saved)
    assert torch.equal(fresh.grown, torch.ones(3))
    assert torch.equal(fresh.turned, torch.ones(3, 2))
    assert fresh.same is kept
    assert fresh.grown is not saved["loss.grown"]
    assert same is holder.same


def test_parts_of_a_profile_add_up_by_name() -> None:
    parts = tuple(
        PartTime(name=name, seconds=s, share=share) for name, s, share in (("input", 1.0, 0.1), ("forward", 9.0, 0.9))
    )
    gain = Interval(value=1.0, low=1.0, high=1.0, n=1)
    ablations = Ablation(name="a", removes="x", ratio=None, failed="why"), Ablation(name="b", removes="x", ratio=gain)
    one = Profile(
        task="t", plan=(), steps=1, step_s=gain, samples_per_s=1.0, parts=parts, parameters=0, peak_bytes=0,
        verdict="", device="cuda:1", ablations=ablations,
    )  # fmt: skip
    assert (one.seconds("input"), one.seconds("input", "forward"), one.seconds("loss")) == (1.0, 10.0, 0)
    assert (one.share("forward"), one.share("input", "forward"), one.share()) == (0.9, 1.0, 0)
    assert (one.ablation("b"), one.ablation("a"), one.ablation("c")) == (ablations[1], None, None)
    assert (one.device_kind, one.on_host) == ("cuda", False)
    assert msgspec.structs.replace(one, device="cpu").on_host
