import bz2
import gzip
import lzma
import os

import pytest

from hasten.base.errors import BadInput
from hasten.data.sources.content import read_bytes, read_text

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


@pytest.mark.parametrize(("name", "opener"), [("x.gz", gzip.open), ("x.xz", lzma.open), ("x.bz2", bz2.open)])
def test_a_decompression_bomb_is_one_message(tmp_path, monkeypatch, name, opener):
    monkeypatch.setattr("hasten.data.sources.decompression.ALWAYS_BYTES", 1 << 20)
    with opener(tmp_path / name, "wb") as file:
        for _ in range(16):
            file.write(bytes(1 << 20))
    with pytest.raises(BadInput, match=r"x.\w+ decompresses to more than .* MiB from .*B, so it was not read"):
        read_bytes(tmp_path / name)


def test_a_file_that_does_not_fit_in_memory_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr("hasten.data.sources.decompression.fits_in_memory", lambda size: False)
    monkeypatch.setattr("hasten.data.sources.decompression._PORTION", 1 << 14)
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(1 << 20)))
    with pytest.raises(BadInput, match=r"x.gz decompresses to more than 1.00 MiB"):
        read_bytes(tmp_path / "x.gz")


def test_text_that_compresses_well_is_read(tmp_path):
    content = b"the same line again and again\n" * 100_000
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    assert read_bytes(tmp_path / "x.gz") == content


def test_what_is_no_regular_file_is_refused_without_opening_it(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BadInput, match="fifo is not a regular file"):
        read_bytes(tmp_path / "fifo")
