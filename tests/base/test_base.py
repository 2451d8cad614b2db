"""Units, seeds, files and errors."""

import math
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hasten.base import units
from hasten.base.errors import BadInput, unknown_name
from hasten.base.files import remove_leftovers, write_atomically, write_text
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.record import Interval, load, save, to_json
from hasten.base.seeds import derive, preserved, random_state, seed_all, set_random_state


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.seconds(0.0123), "12.3 ms"),
        (units.seconds(75), "1.25 min"),
        (units.seconds(3e-6), "3.00 µs"),
        (units.seconds(0), "0 s"),
        (units.count(2.5e9, "FLOP/s"), "2.50 GFLOP/s"),
        (units.count(120), "120"),
        (units.nbytes(3 << 20), "3.00 MiB"),
        (units.nbytes(17), "17 B"),
        (units.percent(0.314), "31 %"),
        (units.percent(0.0314), "3.1 %"),
    ],
)
def test_units_read_well(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400), ("250ms", 0.25), ("3 min", 180)]
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "2 weeks", "-3s", "m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="must look like 90s, 2m or 1.5h"):
        units.parse_duration(text)


@given(st.floats())
def test_finite_keeps_numbers_and_drops_the_rest(value: float) -> None:
    assert units.finite(value) == (value if math.isfinite(value) else None)


def test_derived_seeds_depend_on_every_word() -> None:
    seeds = {derive(0), derive(1), derive(0, "a"), derive(0, "a", 1), derive(0, "a", "1")}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(7, "order", 3) == derive(7, "order", 3)


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_random_state_is_every_generator_and_plain_data(tmp_path: Path) -> None:
    seed_all(5)
    random.gauss(0, 1)
    np.random.randn()
    state = random_state()
    expected = draws()
    torch.save(state, tmp_path / "state")
    set_random_state(torch.load(tmp_path / "state", weights_only=True))
    assert draws() == expected


def test_preserved_puts_the_generators_back_also_after_an_error() -> None:
    seed_all(5)
    expected = draws()
    seed_all(5)
    with pytest.raises(ZeroDivisionError), preserved():
        seed_all(9)
        draws()
        raise ZeroDivisionError
    assert draws() == expected


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_text(path, "old")

    def fail(file) -> None:
        file.write(b"half of the new")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_written_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write .*: File exists"):
        write_text(tmp_path / "file" / "below", "x")


def test_records_go_to_json_and_back(tmp_path: Path) -> None:
    plan = Plan(
        task="t", choices=(Choice(technique="a", knobs={"k": 1.5}, gain=Interval(value=2, low=1, high=3, n=4)),)
    )
    save(plan, tmp_path / "plan.json")
    assert load(Plan, tmp_path / "plan.json") == plan
    with pytest.raises(AttributeError):
        plan.task = "other"


def test_a_wrong_record_names_its_field(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(to_json(Plan(task="t")).replace(b'"task"', b'"tusk"'))
    with pytest.raises(BadInput, match=r"must hold a Plan as JSON; found: .*tusk"):
        load(Plan, path)
    with pytest.raises(BadInput, match="must be a readable file; found: No such file"):
        load(Plan, tmp_path / "none.json")


def test_unknown_names_come_with_the_nearest() -> None:
    error = unknown_name("task", "digit", ["digits", "linear"])
    assert str(error) == "unknown task 'digit'. Did you mean digits? Known: digits, linear."
    assert str(unknown_name("task", "zzz", [])) == "unknown task 'zzz'. Known: none."
    many = [*(f"{number}" for number in range(30)), "digits"]
    assert str(unknown_name("task", "digit", many)) == "unknown task 'digit'. Did you mean digits?"


def test_content_is_on_disk_before_its_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        order.append("folder" if found.st_ino == tmp_path.stat().st_ino else f"{found.st_size} bytes")
        real_fsync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        order.append("rename")
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_text(tmp_path / "file", "12345")
    assert order == ["5 bytes", "rename", "folder"]


def test_leftovers_of_a_file_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    gone = [".a.pt.x1y2.tmp", ".a.pt._.tmp"]
    kept = ["a.pt", ".b.pt.x1.tmp", ".a.pt.tmp", "a.pt.x1.tmp", ".a.pt.x1.tmp.more"]
    for name in (*gone, *kept):
        (tmp_path / name).write_text("")
    (tmp_path / ".a.pt.link.tmp").symlink_to(tmp_path / "a.pt")
    remove_leftovers(tmp_path / "a.pt")
    remove_leftovers(tmp_path / "none" / "a.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, ".a.pt.link.tmp"])
