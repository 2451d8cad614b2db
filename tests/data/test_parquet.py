import datetime
import decimal
import sys

import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.tables import parquet as reader
from hasten.data.tables.table import TableOptions, read_table

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def write(tmp_path):
    def write_it(columns):
        path = tmp_path / "x.parquet"
        parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
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
    table = read_table(write(COLUMNS), "kind")
    assert table.number_names == ("size", "whole", "yes", "day")
    nan = np.nan
    expected = [[1.5, 1, 1, 1], [nan, 2, 0, nan], [-2, nan, nan, 19723]]
    np.testing.assert_array_equal(table.numbers, np.array(expected))
    assert (table.categories, table.codes.tolist()) == ((("blue", "red"),), [[1], [-1], [0]])
    assert (table.classes, table.target.tolist()) == (("cat", "dog"), [0, 1, 0])


def test_all_types_of_numbers_and_times_are_read(write):
    moment = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)
    columns = {
        "decimal": [decimal.Decimal("1234567890.25"), decimal.Decimal("-1")],
        "unix": pa.array([1_700_000_001, 1_700_000_002], pa.int64()),
        "zoned": pa.array([moment, None], pa.timestamp("ns", "Europe/Berlin")),
        "naive": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("s")),
        "clock": pa.array([datetime.time(12), datetime.time(6)], pa.time32("s")),
        "lasts": pa.array([datetime.timedelta(hours=36), None], pa.duration("ms")),
        "half": pa.array([0.5, float("nan")], pa.float16()),
        "nested": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        "large": pa.array(["p", "q"], pa.large_string()),
        "text": ["1,5", "2,25"],
        "y": [0.5, 1.5],
    }
    table = read_table(write(columns), "y")
    rows = dict(zip(table.number_names, table.numbers.T.tolist(), strict=True))
    assert rows["decimal"] == [1234567890.25, -1]
    assert rows["unix"] == [1_700_000_001, 1_700_000_002], "float32 could not tell them apart"
    assert rows["zoned"][0] == rows["naive"][0] == 19723.5
    assert (rows["clock"], rows["lasts"][0], rows["nested.a"]) == ([0.5, 0.25], 1.5, [1, 2])
    assert np.isnan(rows["half"][1]), "NaN is a missing value, as in a text file"
    assert rows["text"] == [1.5, 2.25]
    assert dict(zip(table.code_names, table.categories, strict=True)) == {
        "nested.b": ("x", "y"),
        "large": ("p", "q"),
    }


def test_a_declared_category_stays_one_and_an_index_is_left_out(write):
    table = read_table(
        write({"zip": pa.array(["1", "2", "3"]).dictionary_encode(), "__index_level_0__": [0, 1, 2], "y": [1.5, 2, 3]}),
        "y",
    )
    assert (table.code_names, table.number_names) == (("zip",), ())
    assert any("'__index_level_0__' has no name and counts the rows" in note for note in table.notes)


def test_the_target_is_judged_as_in_a_csv(write):
    path = write({"x": [1.0, 2.0, 3.0], "y": [10, 9, 10]})
    assert read_table(path, "y").classes == ("9", "10")
    assert read_table(path, "y", TableOptions(target_kind="number")).target.tolist() == [10, 9, 10]
    assert read_table(write({"x": [1, 2], "y": [0.5, 1.0]}), "y", TableOptions(target_kind="classes")).classes == (
        "0.5",
        "1",
    )


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        ({"x": [1], "y": [2]}, "z", "unknown column 'z'"),
        ({"x": [1, 2], "y": [2, None]}, "y", "row 2, column 'y': a target must be present"),
        ({"x": [1.0, float("inf")], "y": [2, 3]}, "y", "row 2, column 'x': a number must be finite .*found 'inf'"),
        ({"x": [[1], [2]], "y": [2, 3]}, "y", "column 'x': a table holds .*found list.*: --drop x"),
        ({"x": pa.array([], pa.int8()), "y": pa.array([], pa.int8())}, "y", "at least one row"),
    ],
)
def test_bad_tables_are_named(write, columns, target, message):
    with pytest.raises(BadInput, match=message):
        read_table(write(columns), target)


def test_rows_that_cannot_be_used_are_skipped_on_request(write):
    path = write({"x": [1.0, float("inf"), 3.0, None], "y": [2.5, 3.5, None, 5.5]})
    table = read_table(path, "y", TableOptions(on_bad="skip"))
    assert table.target.tolist() == [2.5, 5.5]
    assert np.isnan(table.numbers[1, 0]), "a value that is missing stays"
    assert sorted(message.split(", ")[1] for message in table.skipped) == ["row 2", "row 3"]
    with pytest.raises(BadInput, match=r"at least one usable row; found none. .*row 1, column 'y'"):
        read_table(write({"x": [1.0], "y": pa.array([None], pa.float64())}), "y", TableOptions(on_bad="skip"))


def test_columns_of_one_name_get_numbers(write):
    columns = pa.Table.from_arrays([pa.array([1.5, 2]), pa.array([3, 4.5]), pa.array(["a", "b"])], ["x", "x", "y"])
    table = read_table(write(columns), "y")
    assert table.number_names == ("x", "x.1")
    assert "column 'x' occurs more than once" in table.notes[0]


def test_a_truncated_file_is_named(write):
    path = write(COLUMNS)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadInput, match=r"^[^\n]*x.parquet must be a whole Parquet file[^\n]*$"):
        read_table(path, "kind")


def test_a_name_of_a_column_that_is_no_text_is_damage(write):
    path = write({"\u00fcber": pa.array([1, 2]), "y": pa.array([0, 1])})
    path.write_bytes(path.read_bytes().replace("\u00fc".encode(), b"\xe2b"))
    with pytest.raises(BadInput, match=r"x.parquet must be a whole Parquet file"):
        read_table(path, "y")


def test_a_small_file_of_more_rows_than_memory_holds_is_refused(write, monkeypatch):
    path = write({"x": pa.array([0] * 100_000), "y": pa.array([1] * 100_000)})
    monkeypatch.setattr(reader.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1 << 20}))
    with pytest.raises(BadInput, match=r"100,000 rows of 2 columns, 1.53 MiB in memory; 1.00 MiB are available"):
        read_table(path, "y")


@pytest.mark.parametrize("name", ["x.parquet", "x.csv"])
def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("a,b\n1,2\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"tables \(CSV, Parquet\) need pyarrow, .*pip install 'hasten\[data\]'"):
        read_table(tmp_path / name, 0)
