"""A hash of hasten's own code tells one state of it from another."""

from pathlib import Path

from hasten.base.own_code import _hash_of, own_code


def test_any_change_of_the_code_is_another_hash_and_nothing_else_is(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "a.py").write_text("one = 1\n")
    (inner / "kernel.cpp").write_text("int one;\n")
    seen = [_hash_of(tmp_path)]
    (tmp_path / "notes.md").write_text("not code\n")
    assert _hash_of(tmp_path) == seen[0]
    (tmp_path / "a.py").write_text("one = 2\n")
    seen.append(_hash_of(tmp_path))
    (inner / "kernel.cpp").write_text("int two;\n")
    seen.append(_hash_of(tmp_path))
    (tmp_path / "a.py").rename(inner / "a.py")
    seen.append(_hash_of(tmp_path))
    assert len(set(seen)) == 4


def test_the_code_is_hastens_own() -> None:
    import hasten

    assert own_code() == own_code() == _hash_of(Path(hasten.__file__).parent)
    assert len(own_code()) == 12
