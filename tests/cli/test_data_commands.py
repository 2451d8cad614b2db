"""`hasten inspect`, `pack` and `verify` on real small sources, from the words typed to the files left behind."""

import base64
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner, Result

from hasten.base.units import nbytes
from hasten.cli.main import app
from hasten.data.store.manifest import read_manifest
from hasten.data.store.reader import open_store
from hasten.report.terminal import progress
from hasten.report.terminal.progress import Moved, working

TABLE = (
    "size,color,price\n" + "".join(f"{i}.5,{('red', 'blue')[i % 2]},{i * 10}.25\n" for i in range(40)) + ",red,1.5\n"
)


str_of: Callable[[float], str] = "{:.0f}".format


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "houses.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source of many chunks, of which each is noted as done."""
    monkeypatch.setattr("hasten.data.packing.pack_arrays._CHUNK_BYTES", 240)
    monkeypatch.setattr("hasten.data.store.writer._NOTE_EVERY_BYTES", 1)
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).random((100, 3)), y=np.arange(100))
    return tmp_path / "a.npz"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for place, kind in enumerate("ab" * 5):
        path = tmp_path / "photos" / kind / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(place).integers(0, 256, (8 + place, 9, 3), np.uint8)
        image.fromarray(pixels).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize("name", ["inspect", "pack", "verify"])
def test_the_help_has_examples_and_is_listed(name: str) -> None:
    result = invoke(name, "--help")
    assert f"hasten {name}" in result.output.split("Examples:")[1]
    assert f"│ {name} " in invoke("--help").output


def test_the_command_line_is_there_before_any_heavy_import() -> None:
    heavy = {"torch", "numpy", "rich.live", "hasten.data"}
    code = f"import sys, hasten.cli.main; sys.exit(', '.join({heavy} & {{*sys.modules}}) or 0)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_table_is_inspected_with_its_target_as_chosen(table: Path) -> None:
    shown = invoke("inspect", table).output
    assert "table: 41 samples" in shown
    assert re.search(r"size +number +1 missing +0.5 to 39.5", shown)
    assert re.search(r"color +category +2 values: red \(21\), blue \(20\)", shown)
    assert "! Column 'size' is missing in 1 row." in shown
    assert re.search(r"red +20 +.*━", shown) is None, "the target is the last column, no class"
    for words in (("--column", "color"), ("--target", "1"), ("--column", "-2")):
        assert re.search(r"Classes +2; .*1.05 times", invoke("inspect", table, *words).output)


def test_an_inspection_can_be_had_as_json(table: Path) -> None:
    found = json.loads(invoke("inspect", table, "--json").stdout)
    assert (found["kind"], found["num_samples"]) == ("table", 41)


def test_an_inspection_can_be_had_as_a_page_with_its_pictures(images: Path, tmp_path: Path) -> None:
    shown = invoke("inspect", images, "--html", tmp_path / "page.html")
    assert shown.exit_code == 0
    assert "page.html" in shown.output
    page = (tmp_path / "page.html").read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)" alt="a sample of (\w)"', page)
    assert [label for _, label in pictures].count("a") == 5
    first = base64.b64decode(pictures[0][0])
    assert first in {path.read_bytes() for path in images.glob("*/*.png")}
    assert "The images have 10 sizes." in page
    assert invoke("inspect", images, "--html", tmp_path / "page.html" / "below").exit_code == 2


def test_images_of_several_sizes_are_inspected_and_packed_to_one(images: Path, tmp_path: Path) -> None:
    shown = invoke("inspect", images).output
    assert "images: 10 samples" in shown
    assert "all of one size" in shown
    assert "! The images have 10 sizes." in shown
    refused = invoke("pack", images, tmp_path / "s")
    assert refused.exit_code == 2
    assert "Give a size to scale them to" in refused.stderr
    assert invoke("pack", images, tmp_path / "s", "--size", 6).exit_code == 0
    assert open_store(tmp_path / "s").take("image", torch.arange(10)).shape == (10, 6, 6, 3)
    assert invoke("pack", images, tmp_path / "e", "--encoded").exit_code == 0
    assert open_store(tmp_path / "e").manifest.preprocessing["form"] == "encoded"


def test_a_bad_file_stops_or_is_left_out_by_name(images: Path, tmp_path: Path) -> None:
    (images / "a" / "0.png").write_bytes(b"broken")
    refused = invoke("pack", images, tmp_path / "s", "--size", 6)
    assert refused.exit_code == 2
    assert "a/0.png must be an image that can be decoded" in refused.stderr
    assert not (tmp_path / "s").exists()
    packed = invoke("pack", images, tmp_path / "s", "--size", 6, "--skip-bad")
    assert "skipped: " in packed.output
    assert "9 samples" in packed.output
    assert "1 skipped" in packed.output


def test_packing_twice_does_nothing_and_another_source_needs_replace(arrays: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    assert invoke("pack", arrays, store).output.startswith(f"packed: {store}, arrays, 100 samples, ")
    before = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    assert invoke("pack", arrays, store).output.startswith("already packed: ")
    assert {path.name: path.stat().st_mtime_ns for path in store.iterdir()} == before
    np.savez(arrays, x=np.zeros((5, 3)))
    refused = invoke("pack", arrays, store)
    assert refused.exit_code == 2
    assert f"hasten pack SOURCE {store} --replace" in refused.stderr
    assert len(open_store(store)) == 100
    assert invoke("pack", arrays, store, "--replace").exit_code == 0
    assert len(open_store(store)) == 5


def test_ctrl_c_leaves_nothing_that_opens_and_the_same_command_goes_on(
    arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    @contextmanager
    def watched(*args: Any, **kwargs: Any) -> Iterator[Moved]:
        with working(*args, **kwargs) as moved:

            def noted(done: int, total: int) -> None:
                moved(done, total)
                seen.append(done)
                if len(seen) == 4:
                    signal.raise_signal(signal.SIGINT)

            yield noted

    monkeypatch.setattr(progress, "working", watched)
    store, whole = tmp_path / "s", tmp_path / "whole"
    stopped = invoke("pack", arrays, store)
    assert stopped.exit_code == 130
    assert stopped.stderr == "hasten: interrupted.\n"
    assert "the same command resumes" in stopped.stdout
    assert not store.exists()
    assert invoke("verify", store).exit_code == 2
    assert invoke("verify", tmp_path / "s.partial").exit_code == 2
    assert invoke("pack", arrays, store).exit_code == 0
    assert seen[4] > seen[3] > seen[0], "it went on behind what was done"
    assert seen[-1] == 100
    assert invoke("pack", arrays, whole).exit_code == 0
    for file in whole.glob("*.npy"):
        assert (store / file.name).read_bytes() == file.read_bytes()
    assert not (tmp_path / "s.partial").exists()


def test_a_sound_store_is_verified_and_its_source_looked_at(arrays: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    invoke("pack", arrays, store)
    shown = invoke("verify", store)
    assert shown.exit_code == 0
    assert shown.output.splitlines() == [
        f"ok: {store}, 2 blocks, {nbytes(100 * 3 * 8 + 100 * 8)}",
        f"source: {arrays}, unchanged",
        "next: hasten run digits",
    ]
    np.savez(arrays, x=np.zeros((5, 3)))
    assert re.search(r"source: .*a\.npz, changed: 1 file of \d+ bytes", invoke("verify", store).output)


@pytest.mark.parametrize("place", [-1, -700, 5])
def test_every_damage_is_listed_and_is_a_failure(arrays: Path, tmp_path: Path, place: int) -> None:
    store = tmp_path / "s"
    invoke("pack", arrays, store)
    content = bytearray((store / "x.npy").read_bytes())
    content[place] ^= 1
    (store / "x.npy").write_bytes(content)
    shown = invoke("verify", store)
    assert shown.exit_code == 2
    assert shown.stdout.startswith("damaged: x.npy")
    assert f"{store} is damaged in 1 of 2 blocks" in shown.stderr


def test_sizes_below_one_and_unknown_columns_are_refused(images: Path, table: Path, tmp_path: Path) -> None:
    assert "--size must be at least 1 pixel; found 0" in invoke("pack", images, tmp_path / "s", "--size", 0).stderr
    refused = invoke("inspect", table, "--column", "pirce")
    assert refused.exit_code == 2
    assert "Did you mean price" in refused.stderr
    assert "a table" not in invoke("pack", table, tmp_path / "s", "--column", "color").stderr
    assert read_manifest(tmp_path / "s").classes == ("blue", "red")


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_has_the_rate_and_the_time_left(terminal: bool) -> None:
    now = [0.0]
    console = Console(file=StringIO(), force_terminal=terminal, width=100)
    with working(console, "packing", amount=str_of, clock=lambda: now[0]) as moved:
        for second in range(13):
            now[0] = second
            moved(40 + 5 * second, 200)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())  # type: ignore[attr-defined]
    if terminal:
        assert "━━ 50 %  100 of 200  5/s 00:20" in text
    else:
        assert text == "packing: 32 %  65 of 200  5/s  0:27 left\npacking: 45 %  90 of 200  5/s  0:22 left\n"


def test_a_line_without_a_rate_has_no_time_left() -> None:
    now = [0.0]
    console = Console(file=StringIO(), width=100)
    with working(console, "checking", amount=str_of, clock=lambda: now[0]) as moved:
        now[0] = 6.0
        moved(7, 10)
    assert console.file.getvalue() == "checking: 70 %  7 of 10\n"  # type: ignore[attr-defined]


str_of: Callable[[float], str] = "{:.0f}".format
