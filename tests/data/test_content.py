import gzip
import lzma

import pytest

from hasten.base.errors import BadInput
from hasten.data.content import read_bytes, read_text

TEXT = "déjà vu\n" * 50


@pytest.mark.parametrize("compress", [lambda b: b, gzip.compress, lzma.compress])
def test_text_is_read_whatever_its_compression(tmp_path, compress):
    path = tmp_path / "file"
    path.write_bytes(compress(TEXT.encode()))
    assert read_text(path) == TEXT


@pytest.mark.parametrize(("compress", "name"), [(gzip.compress, "gzip"), (lzma.compress, "xz")])
def test_a_cut_or_damaged_archive_is_named(tmp_path, compress, name):
    path, whole = tmp_path / "file", compress(TEXT.encode())
    damaged = bytearray(whole)
    damaged[-6] ^= 1
    for content in (whole[:-9], bytes(damaged), whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=rf"{path} must be a whole {name} file; found {len(content)} bytes"):
            read_bytes(path)


def test_a_name_that_promises_compression_is_held_to_it(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(b"hello world")
    with pytest.raises(BadInput, match=r"must be compressed, as its name says; found the first bytes 68 65 6c"):
        read_bytes(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere.txt must be a readable file; found: No such file"):
        read_bytes(tmp_path / "nowhere.txt")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_not_utf8_is_named_by_its_offset(tmp_path, mark):
    path = tmp_path / "file"
    path.write_bytes(mark + b"one\ntw\xe9 three")
    with pytest.raises(BadInput, match=rf"0xe9 at byte offset {6 + len(mark)} \(line 2\)"):
        read_text(path)
