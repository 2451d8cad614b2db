import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hasten.base.errors import BadInput
from hasten.data.sources.arrays import read_array, read_arrays, read_tokens
from hasten.data.sources.source import Arrays, read_source


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(st.sampled_from([np.uint8, np.int64, np.float32]), hnp.array_shapes(min_side=0, max_side=4)))
def test_any_array_comes_back_as_it_was(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("npy")
    np.save(folder / "x.npy", array)
    np.savez_compressed(folder / "x.npz", one=array, two=array[:1])
    np.testing.assert_array_equal(read_array(folder / "x.npy"), array)
    found = read_arrays(folder / "x.npz")
    np.testing.assert_array_equal(found["one"], array)
    assert list(found) == ["one", "two"]


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b[:20], lambda b: b"", lambda b: b"x" + b[1:]])
def test_a_cut_or_foreign_npy_is_named(tmp_path, change):
    (tmp_path / "x.npy").write_bytes(change(npy(np.arange(9))))
    with pytest.raises(BadInput, match=r"x.npy must be a whole .npy file of numbers; found \d+ bytes"):
        read_array(tmp_path / "x.npy")


def test_an_npy_that_is_too_long_is_named(tmp_path):
    (tmp_path / "x.npy").write_bytes(npy(np.arange(9)) + b"abc")
    with pytest.raises(BadInput, match="9 values of int64 and nothing more; found 3 bytes behind"):
        read_array(tmp_path / "x.npy")


def test_python_objects_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(BadInput, match="Save it without Python objects"):
        read_array(tmp_path / "x.npy")


def test_missing_files_are_named(tmp_path):
    for read, name in ((read_array, "x.npy"), (read_arrays, "x.npz")):
        with pytest.raises(BadInput, match=rf"{name} must be a readable file; found: No such file"):
            read(tmp_path / name)


def test_every_flipped_byte_of_an_npz_that_matters_is_found(tmp_path):
    array = np.arange(50, dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=array)
    whole = (tmp_path / "x.npz").read_bytes()
    start = whole.index(b"\x93NUMPY")
    for place in range(start, start + 128 + len(array), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 16
        (tmp_path / "x.npz").write_bytes(damaged)
        with pytest.raises(BadInput, match=r"x.npz must be a whole .npz file; found in its entry x.npy"):
            read_arrays(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(whole[:-30])
    with pytest.raises(BadInput, match=r"must be a whole .npz file"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("header", [b"{'descr': (", b"{'shape': (9,", b"[[[[[", b"{1: 2}", b"\x00" * 8])
def test_a_header_of_an_npy_that_is_no_literal_is_refused(tmp_path, header):
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(BadInput, match="must be a whole .npy file of numbers"):
        read_array(path)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.write(path, "x.npy")
    with pytest.raises(BadInput, match="found in its entry x.npy"):
        read_arrays(tmp_path / "x.npz")


def test_bare_tokens_are_read_and_checked(tmp_path):
    path = tmp_path / "x.bin"
    np.array([1, 2, 300], "<u2").tofile(path)
    assert read_tokens(path).tolist() == [1, 2, 300]
    assert read_tokens(path, "uint8").tolist() == [1, 0, 2, 0, 44, 1]
    with pytest.raises(BadInput, match="tokens from 0 to 255; found 300 at place 2 and 1 such"):
        read_tokens(path, num_tokens=256)
    with pytest.raises(BadInput, match=r"tokens of 4 bytes \(uint32\); found 6 bytes"):
        read_tokens(path, "uint32")
    path.write_bytes(b"")
    with pytest.raises(BadInput, match="found 0 bytes"):
        read_tokens(path)


def test_an_npz_bomb_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr("hasten.data.sources.decompression.ALWAYS_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(1 << 22), b=np.zeros(1 << 22))
    with pytest.raises(BadInput, match=r"x.npz decompresses to more than .*, so it was not read"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("shape", [(1 << 50,), (1 << 40, 1 << 20)])
def test_a_header_that_claims_more_than_memory_is_one_message(tmp_path, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    (tmp_path / "x.npy").write_bytes(header.getvalue() + bytes(64))
    with pytest.raises(BadInput, match="x.npy must be a whole .npy file"):
        read_array(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(64))
    with pytest.raises(BadInput, match="x.npz must be a whole .npz file; found in its entry a.npy"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_an_array_without_values_is_one_message(tmp_path, shape, ending):
    file = tmp_path / f"empty{ending}"
    save = np.save if ending == ".npy" else np.savez
    save(file, np.zeros(shape))
    with pytest.raises(BadInput, match=r"the array has no values, shape \(.*\)\. Pass a file with samples"):
        read_source(file)


def test_a_single_number_is_one_sample(tmp_path):
    np.save(tmp_path / "one.npy", np.float64(3))
    source = read_source(tmp_path / "one.npy")
    assert isinstance(source, Arrays)
    assert source.arrays["one"].tolist() == [3.0]
