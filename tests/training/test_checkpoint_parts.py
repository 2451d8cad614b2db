"""What n processes wrote of divided tensors, m read bit for bit, without a pickle; any change to it is noticed."""

import pickle
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.testing._internal.distributed.fake_pg import FakeStore

from hasten.base.errors import BadInput
from hasten.training.checkpoint_parts import (
    FOLDER,
    Parts,
    damage_of,
    new_name,
    part_here,
    parts_of,
    remove_unused,
    with_parts,
    without_parts,
    write_part,
)
from hasten.training.sharding import STAGES, held_by_one, own_part

Content = dict[str, Any]


@contextmanager
def one_of(rank: int, size: int) -> Generator[None]:
    """Be one of several processes, none of which is there."""
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=size)
    try:
        yield
    finally:
        dist.destroy_process_group()


def divided(whole: Tensor, how: str, rank: int, size: int) -> DTensor | Tensor:
    """Return the part of a tensor that one of several processes has."""
    if how == "whole":
        return whole
    if how == "one":
        mesh = init_device_mesh("cpu", (size,), mesh_dim_names=(STAGES,))
        return held_by_one(whole, mesh, here=rank == len(whole) % size)
    if how == "replicas" and size % 2 == 0:
        mesh = init_device_mesh("cpu", (2, size // 2))
        return distribute_tensor(whole, mesh, [Replicate(), Shard(0)], src_data_rank=None)
    dimension = whole.ndim - 1 if how == "columns" else 0
    return distribute_tensor(whole, init_device_mesh("cpu", (size,)), [Shard(dimension)], src_data_rank=None)


def content_of(wholes: dict[str, Tensor], how: str, rank: int, size: int) -> Content:
    return {"state": {"model": {name: divided(one, how, rank, size) for name, one in wholes.items()}, "step": 3}}


def written(path: Path, wholes: dict[str, Tensor], how: str, size: int) -> tuple[Content, Parts, int]:
    """Write the parts of several processes; return the rest, the parts, and how many numbers they hold."""
    name, sums, rest, count = new_name(3), list[str](), {}, 0
    for rank in range(size):
        with one_of(rank, size):
            content = content_of(wholes, how, rank, size)
            part = part_here(content)
            count += sum(one.numel() for one in part.numbers.values())
            sums.append(write_part(path, name, rank, part))
            rest = without_parts(content) if rank == 0 else rest
    return rest, Parts(name, tuple(sums)), count


def read(path: Path, rest: Content, parts: Parts, like: Content) -> Content:
    def pattern(place: tuple[Any, ...]) -> Any:
        found: Any = like
        for key in place:
            found = found[key]
        return found

    return with_parts(rest, parts, path, pattern)


SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple)
WAYS = st.sampled_from(["rows", "columns", "replicas", "one"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shapes=st.lists(SHAPES, min_size=1, max_size=3),
    kind=st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool]),
    saved=st.tuples(WAYS, st.integers(1, 4)),
    wanted=st.tuples(st.one_of(WAYS, st.just("whole")), st.integers(1, 4)),
)
def test_what_some_processes_wrote_others_read_bit_for_bit(
    tmp_path: Path, shapes: list[tuple[int, ...]], kind: torch.dtype, saved: tuple[str, int], wanted: tuple[str, int]
) -> None:
    wholes = {f"{number}.weight": torch.randn(shape).mul(9).to(kind) for number, shape in enumerate(shapes)}
    path = tmp_path / "last.pt"
    rest, parts, count = written(path, wholes, *saved)
    assert count == sum(one.numel() for one in wholes.values())  # each number once
    assert all(one.is_meta for one in rest["state"]["model"].values()) or saved[0] == "replicas"
    assert damage_of(parts, path) == {}
    how, size = wanted
    for rank in range(size):
        with one_of(rank, size):
            like = content_of(wholes, how, rank, size)
            found = read(path, rest, parts, like)
            assert found["state"]["step"] == 3
            for name, expected in like["state"]["model"].items():
                one = found["state"]["model"][name]
                assert one.shape == expected.shape
                assert type(one) is type(expected)
                assert torch.equal(own_part(one), own_part(expected))


def test_a_part_is_no_larger_than_what_its_process_has(tmp_path: Path) -> None:
    wholes = {"weight": torch.randn(4096, 8)}
    _, parts, _ = written(tmp_path / "last.pt", wholes, "rows", 4)
    sizes = [file.stat().st_size for file in parts.files(tmp_path / "last.pt")]
    assert all(size < 4096 * 8 * 4 / 4 + 1000 for size in sizes)


def test_no_pickle_is_written_or_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise AssertionError("a pickle")

    wholes = {"weight": torch.randn(6, 3)}
    for name in ("Unpickler", "Pickler", "load", "loads", "dump", "dumps"):
        monkeypatch.setattr(pickle, name, fails)
    rest, parts, _ = written(tmp_path / "last.pt", wholes, "rows", 2)
    with one_of(1, 3):
        like = content_of(wholes, "rows", 1, 3)
        found = read(tmp_path / "last.pt", rest, parts, like)
        assert torch.equal(own_part(found["state"]["model"]["weight"]), wholes["weight"][2:4])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_a_flipped_bit_a_cut_and_a_missing_part_are_noticed(tmp_path: Path, draw: st.DataObject) -> None:
    path = tmp_path / "last.pt"
    _, parts, _ = written(path, {"weight": torch.randn(5, 3)}, "rows", 3)
    file = draw.draw(st.sampled_from(parts.files(path)))
    content = bytearray(file.read_bytes())
    place = draw.draw(st.integers(0, len(content) - 1))
    what = draw.draw(st.sampled_from(["flip", "cut", "remove", "exchange"]))
    if what == "flip":
        content[place] ^= 1 << draw.draw(st.integers(0, 7))
        file.write_bytes(content)
    elif what == "cut":
        file.write_bytes(content[:place])
    elif what == "remove":
        file.unlink()
    else:
        _, others, _ = written(path, {"weight": torch.randn(5, 3)}, "rows", 3)
        shutil.copy(others.files(path)[int(file.stem)], file)
    assert list(damage_of(parts, path)) == [file]


@pytest.mark.parametrize(
    "said",
    [
        {"name": "../../x", "sha256": []},
        {"name": "3-00000000/..", "sha256": []},
        {"name": "3-00000000", "sha256": ["/etc/passwd"]},
        {"name": "3-00000000", "sha256": "0" * 64},
        {"name": "3-00000000"},
        ["3-00000000"],
        7,
    ],
)
def test_names_that_lead_elsewhere_are_refused(said: object) -> None:
    with pytest.raises(BadInput, match="cannot be"):
        parts_of({"parts": said}, Path("last.pt"))


def test_numbers_that_are_missing_and_other_shapes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    rest, parts, _ = written(path, {"weight": torch.randn(6, 3)}, "rows", 2)
    fewer = Parts(parts.name, parts.sha256[:1])
    parts.files(path)[0].unlink()
    for shape, why in (((6, 3), "numbers of state.model.weight are missing"), ((7, 3), "Size mismatch")):
        asked = {"state": {"model": {"weight": torch.empty(shape, device="meta")}}}
        with pytest.raises(BadInput, match=why):
            with_parts(asked, fewer, path, lambda place: None)
    asked = {"state": {"model": {"other": rest["state"]["model"]["weight"]}}}
    with pytest.raises(BadInput, match="Missing key"):
        with_parts(asked, parts, path, lambda place: None)


def test_only_parts_that_no_checkpoint_names_are_deleted(tmp_path: Path) -> None:
    path, wholes = tmp_path / "last.pt", {"weight": torch.randn(2, 2)}
    kept, gone = (written(path, wholes, "rows", 1)[1] for _ in range(2))
    (tmp_path / FOLDER / "mine").mkdir()
    remove_unused(tmp_path, [kept.name])
    assert not any(file.exists() for file in gone.files(path))
    assert (tmp_path / FOLDER / "mine").exists()
    assert damage_of(kept, path) == {}
    (tmp_path / FOLDER / "mine").rmdir()
    remove_unused(tmp_path, [])
    assert not (tmp_path / FOLDER).exists()
