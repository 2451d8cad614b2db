import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hasten.base.errors import BadInput
from hasten.data.sources.idx import read_idx

CODES = {"u1": 8, "i1": 9, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, CODES[values.dtype.str[1:]], values.ndim, *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(CODES)).flatmap(
        lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(max_dims=4, min_side=0, max_side=5))
    )
)
def test_any_array_comes_back_as_it_was(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("idx") / "file.gz"
    path.write_bytes(gzip.compress(idx_bytes(values), 1))
    found = read_idx(path)
    assert found.dtype == values.dtype
    assert found.flags.writeable
    np.testing.assert_array_equal(found, values)


@pytest.fixture
def damaged(tmp_path):
    whole = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))

    def write(change):
        path = tmp_path / "images"
        path.write_bytes(change(whole))
        return path

    return write


def test_a_file_that_is_cut_off_says_what_it_should_hold(damaged):
    with pytest.raises(BadInput, match=r"must hold 40 bytes, 2 x 3 x 4 values of uint8 .* found 35, so it is cut off"):
        read_idx(damaged(lambda whole: whole[:-5]))


def test_a_file_that_is_too_long_says_so(damaged):
    with pytest.raises(BadInput, match=r"must hold 40 bytes.* found 43, so it is too long"):
        read_idx(damaged(lambda whole: whole + b"abc"))


def test_a_header_that_is_cut_off_says_so(damaged):
    with pytest.raises(BadInput, match=r"must hold 16 bytes of header for its 3 dimensions; found 9 bytes"):
        read_idx(damaged(lambda whole: whole[:9]))


@pytest.mark.parametrize("start", [b"", b"\0\0", b"\1\0\x08\x01", b"\0\0\x07\x01", b"\0\0\x08\0"])
def test_another_kind_of_file_is_told_by_its_first_bytes(damaged, start):
    with pytest.raises(BadInput, match=rf"must be an IDX file, .*found ({start.hex(' ') or 'nothing'})"):
        read_idx(damaged(lambda whole: start + whole[4:] if len(start) == 4 else start))


def test_fashion_mnist_is_read(shared_data):
    labels = read_idx(shared_data / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz")
    images = read_idx(shared_data / "fashion_mnist" / "t10k-images-idx3-ubyte.gz")
    assert images.shape == (10000, 28, 28)
    assert np.bincount(labels).tolist() == [1000] * 10
    assert round(float(images.mean()), 2) == 73.15
