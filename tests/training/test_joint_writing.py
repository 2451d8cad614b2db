"""A checkpoint of several processes is whole only when all parts are on disk, and one that fails ends all."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from hasten.base.errors import BadInput
from hasten.training.background import Background
from hasten.training.checkpoint_parts import Parts
from hasten.training.joint_writing import JointWriting
from hasten.training.processes import Processes

OTHER = "b" * 64


class Two(Processes):
    """The first of two processes; the other one's answers are given."""

    def answers(self, *values: bool) -> "Two":
        """Let the other process say this in the next exchanges."""
        object.__setattr__(self, "said", list(values))
        return self

    def totals(self, values: Sequence[float], device: str) -> list[float]:
        """Return the sums with the other process."""
        return [one + self.said.pop(0) for one in values]  # type: ignore[attr-defined]

    def gathered(self, state: Any, device: str) -> list[Any]:
        """Return what both have."""
        return [state, OTHER]


def test_the_rest_is_written_when_both_parts_are_on_disk_and_not_before() -> None:
    done, found = threading.Event(), list[Parts]()

    def part() -> str:
        assert done.wait(30)
        return "a" * 64

    two = Two(0, 2)
    with Background() as background:
        joint = JointWriting(two, "cpu", background)
        joint.advance()  # nothing is under way: nothing is said
        joint.start("3-00000000", part, found.append)
        two.answers(True)
        joint.advance()  # the other one is done
        assert found == []
        done.set()
        background._running.result()  # type: ignore[union-attr]
        two.answers(False)
        joint.advance()
        assert found == []
        two.answers(True, False)
        joint.advance()
        joint.finish()
    assert found == [Parts("3-00000000", ("a" * 64, OTHER))]


@pytest.mark.parametrize("mine", [True, False])
def test_a_part_that_cannot_be_written_ends_all_and_leaves_the_checkpoint_before(mine: bool) -> None:
    def part() -> str:
        if mine:
            raise BadInput("the disk is full.")
        return "a" * 64

    def rest(parts: Parts) -> None:
        raise AssertionError("a checkpoint without a part")

    with Background() as background:
        joint = JointWriting(Two(0, 2).answers(not mine), "cpu", background)
        joint.start("3-00000000", part, rest)
        with pytest.raises(BadInput, match="the disk is full" if mine else "1 of 2 processes could not write"):
            joint.finish()


def test_only_the_first_process_writes_the_rest() -> None:
    def rest(parts: Parts) -> None:
        raise AssertionError("the first one does")

    with Background() as background:
        joint = JointWriting(Two(1, 2).answers(False), "cpu", background)
        joint.start("3-00000000", lambda: "a" * 64, rest)
        joint.finish()
