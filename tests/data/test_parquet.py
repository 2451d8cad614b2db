import datetime
import sys

import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.tables.parquet import read_parquet

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def write(tmp_path):
    def write_it(columns):
        path = tmp_path / "x.parquet"
        parquet.write_table(pa.table(columns), path)
        return path

    return write_it


COLUMNS = {
    "size": [1.5, None, -2.0],
    "whole": pa.array([1, 2, None], pa.int8()),
    "yes": [True, False, None],
    "day": [datetime.date(1970, 1, 2), None, datetime.date(2024, 1, 1)],
    "color": pa.array(["red", None, "blue"]).dictionary_encode(),
    "kind": ["cat", "dog", "cat"],
}


def test_types_come_from_the_file(write):
    table = read_parquet(write(COLUMNS), "kind")
    assert table.number_names == ("size", "whole", "yes", "day")
    nan = np.nan
    expected = [[1.5, 1, 1, 1], [nan, 2, 0, nan], [-2, nan, nan, 19723]]
    np.testing.assert_array_equal(table.numbers, np.array(expected, np.float32))
    assert (table.categories, table.codes.tolist()) == ((("blue", "red"),), [[1], [-1], [0]])
    assert (table.classes, table.target.tolist()) == (("cat", "dog"), [0, 1, 0])


def test_the_target_is_judged_as_in_a_csv(write):
    path = write({"x": [1.0, 2.0, 3.0], "y": [10, 9, 10]})
    assert read_parquet(path, "y").classes == ("9", "10")
    assert read_parquet(path, "y", kind="number").target.tolist() == [10, 9, 10]


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        ({"x": [1], "y": [2]}, "z", "unknown column 'z'"),
        ({"x": [1, 2], "y": [2, None]}, "y", "row 2, column 'y': a target must be present"),
        ({"x": [1.0, float("inf")], "y": [2, 3]}, "y", "row 2, column 'x': a number must be finite .*found inf"),
        ({"x": [[1], [2]], "y": [2, 3]}, "y", "column 'x': a table holds numbers, dates and text; found list"),
        ({"x": pa.array([], pa.int8()), "y": pa.array([], pa.int8())}, "y", "at least one row"),
    ],
)
def test_bad_tables_are_named(write, columns, target, message):
    with pytest.raises(BadInput, match=message):
        read_parquet(write(columns), target)


def test_rows_that_cannot_be_used_are_left_out_where_asked(write):
    path = write({"x": [1.0, float("inf"), 3.0, float("nan"), None], "y": [2.5, 3.5, None, 4.5, 5.5]})
    table = read_parquet(path, "y", on_bad="skip")
    assert table.target.tolist() == [2.5, 5.5]
    assert np.isnan(table.numbers[1, 0]), "a value that is missing stays"
    for message, row in zip(table.skipped, (2, 3, 4), strict=True):
        assert f"row {row}, column" in message
    with pytest.raises(BadInput, match=r"a row that can be used; found none. The first one: .*row 1, column 'y'"):
        read_parquet(write({"x": [1.0], "y": pa.array([None], pa.float64())}), "y", on_bad="skip")


def test_a_cut_file_is_named(write):
    path = write(COLUMNS)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadInput, match=r"x.parquet must be a whole Parquet file"):
        read_parquet(path, "kind")


def test_without_pyarrow_the_error_says_what_to_install(write, monkeypatch):
    path = write(COLUMNS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"Parquet files need pyarrow; .* pip install pyarrow"):
        read_parquet(path, "kind")
