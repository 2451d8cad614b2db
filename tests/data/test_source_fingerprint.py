"""Whether a source is still the one that a store was made from, and how it differs."""

from pathlib import Path

import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.store.fingerprint import (
    fingerprint_arrays,
    fingerprint_source,
    hash_values,
    path_of,
    source_changed,
)


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none must be a readable source; found: No such file or directory"):
        fingerprint_source(tmp_path / "none")
    (tmp_path / "a").write_bytes(b"abc")
    packed = fingerprint_source(tmp_path / "a")
    assert source_changed(tmp_path / "none", packed) == "it cannot be read: No such file or directory"


def test_how_a_source_differs_from_what_was_packed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"abc")
    (source / "b").write_bytes(b"de")
    packed = fingerprint_source(source)
    assert (packed.num_files, packed.nbytes, path_of(packed)) == (2, 5, source)
    assert {len(packed.stat), len(packed.content), len(hash_values(1))} == {32}
    assert source_changed(source, packed) is None
    (source / "a").touch()
    assert source_changed(source, packed) is None, "the bytes are the same"
    (source / "a").write_bytes(b"xyz")
    assert source_changed(source, packed) == "other bytes in files of the same sizes"
    (source / "a").write_bytes(b"wxyz")
    assert source_changed(source, packed) == "2 files of 6 bytes, packed were 2 of 5 bytes"
    (source / "a").unlink()
    assert source_changed(source, packed) == "1 file of 2 bytes, packed were 2 of 5 bytes"
    (source / "c").write_bytes(b"abc")
    assert source_changed(source, packed) is not None, "the name counts"


def test_arrays_differ_by_name_type_shape_and_content() -> None:
    one = fingerprint_arrays({"x": np.zeros((2, 3), np.int32)}, "drawn")
    assert (one.path, one.num_files, one.nbytes, one.stat) == ("drawn", 0, 24, one.content)
    assert len(one.content) == 32
    others = [{"y": np.zeros((2, 3), np.int32)}, {"x": np.zeros((3, 2), np.int32)}, {"x": np.zeros((2, 3), np.float32)}]
    changed = np.zeros((2, 3), np.int32)
    changed[1, 2] = 1
    found = {fingerprint_arrays(arrays, "drawn").content for arrays in (*others, {"x": changed})}
    assert len(found | {one.content}) == 5
