"""The weights of any model are saved, durably, and load into a fresh one."""

import hashlib
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, load_model
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.training.weights_file import save_weights


class Expanded(nn.Module):
    """A buffer that is a view in which all rows are one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.register_buffer("mean", torch.arange(3.0).expand(4, 3))


class Cut(nn.Module):
    """Parameters that are pieces of one vector, and a buffer that overlaps two of them."""

    def __init__(self) -> None:
        super().__init__()
        flat = torch.arange(12.0)
        self.first, self.second = nn.Parameter(flat[:6].view(2, 3)), nn.Parameter(flat[6:])
        self.register_buffer("both", flat[3:9])


class Transposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0).view(2, 3).t())


class Extra(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def get_extra_state(self) -> Any:
        return {"calls": 3}

    def set_extra_state(self, state: Any) -> None:
        pass


def mixed() -> nn.Module:
    return nn.Sequential(
        nn.Linear(2, 3).bfloat16(), nn.BatchNorm1d(3), nn.ParameterList([torch.zeros(0, 2)]), nn.Embedding(1, 4).half()
    )


@pytest.mark.parametrize("make", [Expanded, Cut, Transposed, mixed])
def test_any_model_is_saved_and_loads_into_a_fresh_one(tmp_path: Path, make: Any) -> None:
    model = make()
    assert save_weights(model, tmp_path / "m.safetensors") == ()
    assert {name: value.tolist() for name, value in load_file(tmp_path / "m.safetensors").items()} == {
        name: value.tolist() for name, value in model.state_dict().items()
    }


def test_tied_weights_are_stored_once_and_load(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5, bias=False))
        model[1].weight = model[0].weight
        return model

    model, fresh = tied(), tied()
    save_weights(model, tmp_path / "m.safetensors")
    assert list(load_file(tmp_path / "m.safetensors")) == ["0.weight"]
    load_model(fresh, tmp_path / "m.safetensors")
    assert torch.equal(fresh[1].weight, model[0].weight)


def test_what_is_no_tensor_is_named(tmp_path: Path) -> None:
    assert save_weights(Extra(), tmp_path / "m.safetensors") == ("_extra_state",)
    assert sorted(load_file(tmp_path / "m.safetensors")) == ["layer.bias", "layer.weight"]


def test_what_safetensors_cannot_store_is_one_message(tmp_path: Path) -> None:
    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("sparse", torch.eye(3).to_sparse())

    with pytest.raises(BadInput, match="cannot store the weights as safetensors"):
        save_weights(Sparse(), tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_checksum_is_that_of_sha256sum(tmp_path: Path) -> None:
    save_weights(nn.Linear(3, 2), tmp_path / "m.safetensors")
    written = (tmp_path / "m.safetensors.sha256").read_text()
    assert written == f"{hashlib.sha256((tmp_path / 'm.safetensors').read_bytes()).hexdigest()}  m.safetensors\n"
    checked = subprocess.run(["sha256sum", "-c", "m.safetensors.sha256"], cwd=tmp_path, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "m.safetensors: OK\n")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027])
def test_the_mode_is_as_the_umask_says(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        save_weights(nn.Linear(3, 2), tmp_path / "m.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m.safetensors").stat().st_mode) == 0o666 & ~mask


def test_the_file_and_its_folder_are_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """safetensors replaces the file that it is to write: the new one must be flushed, after it is written."""
    flushed: list[tuple[int, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        flushed.append((found.st_ino, found.st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "m.safetensors"
    save_weights(nn.Linear(300, 20), path)
    assert (path.stat().st_ino, path.stat().st_size) in flushed
    assert tmp_path.stat().st_ino in [inode for inode, _ in flushed]


def test_a_clone_of_a_view_is_no_copy_of_the_whole(tmp_path: Path) -> None:
    class Narrow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight: Tensor = nn.Parameter(torch.zeros(1000, 1000)[:2, :2])

    save_weights(Narrow(), tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").stat().st_size < 1000
