import os
import subprocess
import sys
from pathlib import Path

import pytest

from hasten.base import cache_folder as module
from hasten.base.cache_folder import cache_folder


@pytest.fixture(autouse=True)
def _forgotten():
    module._temporary.cache_clear()
    yield
    module._temporary.cache_clear()


def test_the_variable_names_the_folder_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b" / "hasten"
    assert not (tmp_path / "a").exists()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "hasten"


def no_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def raising():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", raising)


def not_writable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(tmp_path)))


def a_file(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))


@pytest.mark.parametrize("cannot", [no_home, not_writable, a_file])
def test_without_a_folder_that_can_be_written_a_temporary_one_serves_and_that_is_said(
    monkeypatch, tmp_path, caplog, cannot
):
    cannot(monkeypatch, tmp_path)
    folder = cache_folder()
    (folder / "x").write_text("kept")
    assert cache_folder() == folder
    assert caplog.text.count("Set XDG_CACHE_HOME to a folder that can be written") == 1


def test_the_temporary_folder_ends_with_the_process(tmp_path):
    (tmp_path / "file").write_text("x")
    script = "from hasten.base.cache_folder import cache_folder; print(cache_folder())"
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path / "hasten-"))
    assert not Path(done.stdout.strip()).exists()
