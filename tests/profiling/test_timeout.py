import signal
import sys
import time

import pytest

from hasten.base.errors import BadInput
from hasten.profiling.timeout import time_limit


def test_what_takes_too_long_is_named() -> None:
    def work() -> None:
        with time_limit(0.05, "the first part") as limit:
            limit.restart("the second part")
            time.sleep(5)

    with pytest.raises(BadInput, match=r"the second part did not finish within 50\.0 ms"):
        work()


def test_code_that_ignores_errors_does_not_keep_the_alarm() -> None:
    def work() -> None:
        with time_limit(0.05, "the work"):
            try:
                time.sleep(2)
            except Exception:  # noqa: BLE001  (as a data set does that skips what it cannot read)
                time.sleep(2)

    begin = time.perf_counter()
    with pytest.raises(BadInput, match="the work did not finish"):
        work()
    assert time.perf_counter() - begin < 1


def test_a_restart_gives_the_whole_time_again() -> None:
    with time_limit(0.2, "a") as limit:
        for name in "bcd":
            time.sleep(0.1)
            limit.restart(name)


def test_an_alarm_that_was_set_before_still_goes_off() -> None:
    rung: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    left = signal.setitimer(signal.ITIMER_REAL, 0.15)
    try:
        with time_limit(5.0, "a"):
            time.sleep(0.05)
        time.sleep(0.2)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *left)


def test_a_limit_must_be_positive() -> None:
    with pytest.raises(BadInput, match="above 0 seconds"):
        with time_limit(0.0, "a"):
            pass


def test_an_alarm_that_python_ignores_in_a_callback_comes_again_and_is_not_printed() -> None:
    class Lingering:
        def __del__(self) -> None:
            time.sleep(0.2)  # what is raised in here is ignored, and printed: a warning, which is an error in tests

    def work() -> None:
        with time_limit(0.05, "the work"):
            lingering = Lingering()
            del lingering
            time.sleep(3)

    begin, hook = time.perf_counter(), sys.unraisablehook
    with pytest.raises(BadInput, match="the work did not finish"):
        work()
    assert time.perf_counter() - begin < 1
    assert sys.unraisablehook is hook


def test_other_errors_that_python_ignores_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: shown.append(found.exc_value))

    class Failing:
        def __del__(self) -> None:
            raise ValueError("of the task")

    with time_limit(5.0, "the work"):
        failing = Failing()
        del failing
    assert [str(one) for one in shown] == ["of the task"]
