"""`hasten` alone names the command that fits what is in the folder."""

from pathlib import Path

from hasten.cli.here import suggestions


def test_each_thing_in_a_folder_gets_its_command(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import torch\nloss.backward()\n")
    (tmp_path / "helper.py").write_text("import torch\nprint(3)\n")
    (tmp_path / "mine.py").write_text("def task(): ...\n")
    (tmp_path / "broken.py").write_text("def task(:\n")
    (tmp_path / "houses.CSV").write_text("a,b\n1,2\n")
    for name in ("photos/cat", "runs/one", ".git/hooks", "empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "photos/cat/1.JPG").write_bytes(b"")
    (tmp_path / "runs/one/plan.toml").write_text("")
    (tmp_path / ".git/hooks/1.png").write_bytes(b"")
    assert [command for command, _ in suggestions(tmp_path)] == [
        "hasten inspect houses.CSV",
        "hasten check mine.py",
        "hasten run mine.py",
        "hasten run images --data photos",
        "hasten report runs/one",
        "hasten profile train.py",
    ]


def test_an_empty_folder_gets_none(tmp_path: Path) -> None:
    assert not list(suggestions(tmp_path))
