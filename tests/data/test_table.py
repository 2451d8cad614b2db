import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.tables.delimited import Dialect
from hasten.data.tables.table import TableOptions, read_table, rename_classes


@pytest.fixture
def read(tmp_path):
    def read_it(content, target=-1, **options):
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, target, TableOptions(**options))

    return read_it


MIXED = "size,color,born,kind\n1.5,red,1970-01-02,cat\n?,blue,,dog\n-2,?,1970-01-01 12:00,cat\n"


def test_numbers_dates_and_categories_are_told_apart(read):
    table = read(MIXED)
    assert table.number_names == ("size", "born")
    np.testing.assert_array_equal(table.numbers, np.array([[1.5, 1], [np.nan, np.nan], [-2, 0.5]]))
    assert table.categories == (("blue", "red"),)
    assert table.codes.tolist() == [[1], [0], [-1]]
    assert (table.classes, table.target.tolist()) == (("cat", "dog"), [0, 1, 0])


def test_the_target_is_a_number_where_its_values_are_many_or_not_whole(read):
    rows = "\n".join(f"{i},{i % 20}" for i in range(40))
    assert read(rows).classes == tuple(map(str, range(20)))
    assert read(rows, target_kind="number").target.dtype == np.float64
    assert read(rows, 0).classes == ()
    assert read("1,0.5\n2,1").classes == ()
    assert read("1,0.5\n2,1", target_kind="classes").classes == ("0.5", "1")


def test_a_column_of_numbers_can_be_taken_as_text_or_dropped(read):
    table = read("zip,id,y\n10115,1,0\n80331,2,1\n", text=("zip",), drop=("id",))
    assert (table.code_names, table.number_names) == (("zip",), ())
    assert table.numbers.shape == (2, 0)


def test_a_missing_target_is_named(read):
    with pytest.raises(BadInput, match=r"row 2 \(line 3\), column 'y': a target must be present; found '\?'"):
        read("x,y\n1,2\n3,?\n")


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e39", "1e400", "-1,5e80"])
def test_a_number_that_is_not_finite_is_named(read, value):
    with pytest.raises(BadInput, match=r"row 2 \(line 3\), column 'x': a number must be finite and fit float32"):
        read(f'x,y\n1,2\n"{value}",3\n')


def test_one_text_among_numbers_is_a_mistake_not_a_category(read):
    text = "x,y\n" + "1,2\n" * 10 + "l0,2\n"
    with pytest.raises(
        BadInput, match=r"row 11 \(line 12\), column 'x': expected a number, as in 10 of 11 rows; found 'l0'"
    ):
        read(text)
    assert read(text, text=("x",)).categories == (("1", "l0"),)
    assert np.isnan(read(text, dialect=Dialect(missing=frozenset({"l0"}))).numbers[10, 0])


def test_rows_with_faults_can_be_left_out_with_a_message_each(read):
    rows = [f"{i},{i % 2}" for i in range(20)]
    rows[3], rows[5], rows[7], rows[8], rows[9] = "3,1,9", "inf,1", "oops,1", "8,?", "?,1"
    text = "x,y\n" + "\n".join(rows)
    for message in ("found 3 in row 4 .line 5.",):
        with pytest.raises(BadInput, match=message):
            read(text)
    table = read(text, on_bad="skip")
    assert table.numbers[:, 0].tolist()[:5] == [0, 1, 2, 4, 6]
    assert np.isnan(table.numbers[5, 0])
    assert len(table) == 16
    assert [message.split("; found")[1][:8] for message in table.skipped] == [
        " 3 in ro",
        " '?'. Re",
        " 'inf'. ",
        " 'oops'.",
    ]
    with pytest.raises(BadInput, match="at least one usable row"):
        read("x,y\n1,?\n2,?\n", on_bad="skip")


def test_a_target_that_must_be_a_number_is_held_to_it(read):
    with pytest.raises(BadInput, match=r"column 'y': the target must be a number; found 2 texts, the first 'a'"):
        read("x,y\n1,a\n2,b\n", target_kind="number")


def test_an_unknown_column_is_answered_with_the_near_ones(read):
    with pytest.raises(BadInput, match=r"unknown column 'prise'. Did you mean price\?"):
        read("price,y\n1,2\n", "prise")
    with pytest.raises(BadInput, match="unknown column 'z'"):
        read("x,y\n1,2\n", drop=("z",))
    with pytest.raises(BadInput, match="has 2 columns; found the column index 2"):
        read("x,y\n1,2\n", 2)


def test_a_date_that_does_not_exist_makes_a_category(read):
    assert read("d,y\n2024-02-31,1\n2024-01-01,2\n").code_names == ("d",)


def test_classes_can_be_renamed(read):
    table = rename_classes(read(MIXED), {"cat": "kitten"})
    assert table.classes == ("kitten", "dog")
    with pytest.raises(BadInput, match="unknown class 'cow'"):
        rename_classes(table, {"cow": "x"})


@pytest.mark.parametrize(
    ("file", "target", "dialect", "expected"),
    [
        ("adult/adult.data.gz", -1, Dialect(), (32561, 6, 8, 2, 4262)),
        ("adult/adult.test.gz", -1, Dialect(comment="|"), (16281, 6, 8, 2, 2203)),
        ("california_housing/housing.csv.gz", "median_house_value", Dialect(), (20640, 8, 1, 0, 207)),
        ("higgs_7500/binary.test.gz", 0, Dialect(), (500, 28, 0, 2, 0)),
        ("sklearn_small/digits.csv.gz", -1, Dialect(), (1797, 64, 0, 10, 0)),
        ("sklearn_small/breast_cancer.csv", -1, Dialect(skip=1), (569, 30, 0, 2, 0)),
        ("sms_spam/SMSSpamCollection.gz", 0, Dialect(), (5574, 0, 1, 2, 0)),
        ("banking77/test.csv.gz", "category", Dialect(), (3080, 0, 1, 77, 0)),
    ],
)
def test_real_tables_are_read_as_they_are(shared_data, file, target, dialect, expected):
    table = read_table(shared_data / file, target, TableOptions(dialect=dialect))
    missing = int(np.isnan(table.numbers).sum() + (table.codes < 0).sum())
    found = (len(table), len(table.number_names), len(table.code_names), len(table.classes), missing)
    assert found == expected
