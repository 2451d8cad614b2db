"""Whatever happens to a file of a run folder, it is noticed before the file is used."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hasten import Plan, Stop
from hasten.base.checksums import check_checksum, checksum_path, write_with_checksum
from hasten.base.errors import BadInput
from hasten.base.records.health import Health
from hasten.base.records.notices import Note
from hasten.report.evidence_file import read_evidence, write_evidence
from hasten.training.recipe import baseline
from hasten.training.run_files import check_files
from hasten.training.run_folder import EVIDENCE, HEALTH, METRICS, read_health, write_health
from hasten.training.running import run_training

from sample_evidence import make_evidence
from tiny_tasks import mlp_task

EMPTY = Plan(task="tiny")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run_training(baseline(mlp_task(stop=Stop(epochs=2))), EMPTY, show=lambda event: None, folder=folder)
    write_evidence(make_evidence(), folder / EVIDENCE)
    write_health(folder, Health(name="tiny", steps=8))
    return folder


def test_a_whole_run_is_whole(written: Path) -> None:
    found = check_files(written)
    assert found.damage == found.unknown == []
    assert set(found.whole) >= {
        "checkpoints/last.pt",
        "checkpoints/model.safetensors",
        "metrics.jsonl",
        "evidence.json",
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_a_flipped_bit_and_a_cut_are_found_in_every_file(written: Path, tmp_path: Path, draw: st.DataObject) -> None:
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(written, folder)
    name = draw.draw(st.sampled_from(check_files(folder).whole))
    content = bytearray((folder / name).read_bytes())
    place = draw.draw(st.integers(0, len(content) - 1))
    if draw.draw(st.booleans()):
        content[place] ^= 1 << draw.draw(st.integers(0, 7))
    else:
        del content[place:]
    (folder / name).write_bytes(content)
    found = check_files(folder)
    assert name not in found.whole
    assert found.damage
    assert all(str(folder / name) in text for text in found.damage)


def test_damaged_evidence_and_health_are_not_used(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(written, folder)
    for name, read in ((EVIDENCE, lambda: read_evidence(folder / EVIDENCE)), (HEALTH, lambda: read_health(folder))):
        read()
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(BadInput, match=f"{name} is damaged"):
            read()


def test_events_that_are_missing_are_told_when_the_run_resumes(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(written, folder)
    lines = (folder / METRICS).read_bytes().splitlines(keepends=True)

    def notes() -> list[str]:
        found = list[str]()
        recipe = baseline(mlp_task(stop=Stop(epochs=2)))
        run_training(
            recipe,
            EMPTY,
            show=lambda event: found.append(event.text) if isinstance(event, Note) else None,
            folder=folder,
            resume=True,
        )
        return found

    assert not any("lacks" in note for note in notes())
    (folder / METRICS).write_bytes(b"".join(lines[:-2]))
    assert any("lacks 2 events" in note for note in notes())


def test_a_kill_while_a_file_is_replaced_leaves_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_with_checksum(path, lambda file: file.write(b"old"))

    def killed(self: Path, target: Path) -> Path:
        if target == path:
            raise KeyboardInterrupt
        return real(self, target)

    real = Path.replace
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_with_checksum(path, lambda file: file.write(b"new"))
    check_checksum(path)  # the old content
    path.write_bytes(b"new")
    check_checksum(path)  # as the rename would have left it
    path.write_bytes(b"other")
    with pytest.raises(BadInput, match="is damaged"):
        check_checksum(path)
    checksum_path(path).write_bytes(b"")
    path.write_bytes(b"old")
    with pytest.raises(BadInput, match="is damaged"):
        check_checksum(path)
