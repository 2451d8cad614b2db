"""Copies that compute beside a measurement: they are there while it runs, and nowhere after it."""

import mmap
import os
import time

import psutil
import pytest

from hasten.base.errors import BadInput
from hasten.tuning.layouts.company import company


def children() -> set[int]:
    return {one.pid for one in psutil.Process().children()}


def test_copies_work_while_the_body_runs_and_are_gone_after_it() -> None:
    before, counter = children(), mmap.mmap(-1, 8)  # shared with the copies

    def work() -> None:
        counter[0] = (counter[0] + 1) % 256
        time.sleep(0.001)

    with company(work, 2):
        assert len(children() - before) == 2
        seen = counter[0]
        assert seen, "each has worked before the body begins"
        until = time.monotonic() + 30
        while counter[0] == seen:
            assert time.monotonic() < until, "they do not go on"
    assert children() == before


def test_without_copies_nothing_is_started() -> None:
    before = children()
    with company(lambda: pytest.fail("there is nobody to work"), 0):
        assert children() == before


def test_a_copy_that_fails_is_an_error_and_leaves_none_behind() -> None:
    before = children()

    def work() -> None:
        os._exit(3)

    with (
        pytest.raises(BadInput, match="2 of 2 copies of this process made no step beside it.*fewer devices"),
        company(work, 2),
    ):
        pytest.fail("the body ran without company")
    assert children() == before


def test_an_error_of_the_body_ends_the_copies() -> None:
    before = children()
    with pytest.raises(ZeroDivisionError), company(lambda: time.sleep(0.01), 1):
        raise ZeroDivisionError
    assert children() == before
