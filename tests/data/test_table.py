import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.tables.delimited import Dialect
from hasten.data.tables.table import TableOptions, read_table, rename_classes, table_options


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


def test_seconds_of_unix_time_and_iso_times_keep_their_digits(read):
    seconds = 1_700_000_001 + np.arange(5)
    rows = "".join(f"{one},{np.datetime64(int(one), 's')}Z,{one}.5\n" for one in seconds)
    table = read("unix,iso,y\n" + rows)
    assert table.numbers[:, 0].tolist() == seconds.tolist()
    assert table.target.tolist() == (seconds + 0.5).tolist()
    np.testing.assert_allclose(table.numbers[:, 1] * 86_400, seconds, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("x;y\n1,5;a\n1.234,25;b\n-3;a\n", [1.5, 1234.25, -3]),
        ('x,y\n"1,234",a\n"-12,345.5",b\n7,a\n', [1234, -12345.5, 7]),
        ("x,y\n1 234,a\n-2 345.5,b\n7,a\n", [1234, -2345.5, 7]),
        ("x,y\n\u22121.5,a\nNone,b\n2,a\n", [-1.5, np.nan, 2]),
        ("x,y\n-,a\nn/a,b\n2,a\n", [np.nan, np.nan, 2]),
        ('x,y\n$5,a\n"$1,200",b\n7,a\n', [5, 1200, 7]),
        ("x,y\n5%,a\n6.5 %,b\n7%,a\n", [5, 6.5, 7]),
        (" x , y \n 1.5 , a\n 2 ,b\n 3,a \n", [1.5, 2, 3]),
    ],
)
def test_numbers_are_read_in_the_notation_of_their_file(read, content, values):
    table = read(content)
    np.testing.assert_array_equal(table.numbers[:, 0], values)
    assert table.classes == ("a", "b")


def test_an_ambiguous_mark_is_decided_by_the_file_and_reported(read):
    for text, delimiter, value in (('"1,234"', ",", 1234), ("1,234", ";", 1.234)):
        table = read(f"x{delimiter}y\n{text}{delimiter}a\n{text.replace('1', '5')}{delimiter}b\n")
        assert table.numbers[0, 0] == value
        assert "pass --decimal" in table.notes[-1]
    table = read('x,z,y\n"1,234","1,5",a\n"5,678","2,25",b\n')
    assert table.numbers[0].tolist() == [1.234, 1.5], "another column shows the decimal comma"
    told = read('x,y\n"1,234",a\n"5,678",b\n', dialect=Dialect(decimal=","))
    assert (told.numbers[0, 0], told.notes) == (1.234, ())


def test_units_that_do_not_agree_are_categories(read):
    assert read("x,y\n5%,a\n0.05,b\n").code_names == ("x",)
    assert read("x,y\n\u20ac5,a\n$5,b\n").code_names == ("x",)


def test_spellings_of_one_class_are_one(read):
    assert read("x,y\n1,yes\n2,yes \n3,no\n").classes == ("no", "yes")
    assert read("x,y\n1,Yes\n2,yes\n3,NO\n").classes == ("no", "yes")
    table = read("x,y\n1,1\n2,1.0\n3,+1\n4,2\n")
    assert (table.classes, table.target.tolist()) == (("1", "2"), [0, 0, 0, 1])
    assert read("x,y\n1,0.5\n2,0.50\n3,1\n", target_kind="classes").classes == ("0.5", "1")
    assert read("x,y\n1,A\n2,a\n3,b\n").classes == ("A", "a", "b"), "case may tell names apart"


def test_a_class_may_be_called_none_and_whole_numbers_keep_their_digits(read):
    assert read("x,y\n1,none\n2,mild\n3,none\n").classes == ("mild", "none")
    big = read("y,x\n9007199254740993,1\n9007199254740992,2\n", 0)
    assert big.classes == ("9007199254740992", "9007199254740993")


def test_codes_with_leading_zeros_are_categories_and_reported(read):
    table = read("zip,y\n01234,1.5\n99999,2.5\n")
    assert table.categories == (("01234", "99999"),)
    assert "leading zeros (01234)" in table.notes[0]
    assert read("n,y\n" + "".join(f"{i:03},{i}.5\n" for i in range(300))).number_names == ("n",), "too many values"


def test_how_the_target_was_decided_is_reported(read):
    letters = "x,y\n" + "".join(f"{i},{i % 26}\n" for i in range(260))
    table = read(letters)
    assert table.classes == ()
    assert "taken as a number, since it has 26 distinct whole values" in table.decision
    assert table.decision.endswith("If they are classes, pass --target-kind classes")
    assert len(read(letters, target_kind="classes").classes) == 26
    counts = read("x,y\n1,0\n2,3\n3,1\n")
    assert counts.decision.endswith("taken as classes. If they are counts or grades, pass --target-kind number")
    assert "is text, taken as 2 classes" in read("x,y\n1,a\n2,b\n").decision
    assert "not all whole" in read("x,y\n1,0.5\n2,1\n").decision


def test_empty_rows_and_columns_and_an_unnamed_index_are_left_out(read):
    table = read(",a,b,y\n0,5,,1.5\n1,6,,2.5\n,,,\n2,7,,3.5\n")
    assert (table.number_names, table.code_names, len(table)) == (("a",), (), 3)
    assert [note.split(": ", 1)[1] for note in table.notes] == [
        "1 empty row left out",
        "column 'column 1' has no name and counts the rows, so it is left out",
        "column 'b' is empty and left out",
    ]
    assert read("1,1.5\n2,2.5\n3,3.5\n").number_names == ("column 1",), "no column has a name here"


def test_a_date_whose_order_is_ambiguous_is_reported(read):
    table = read("d,y\n01/02/2024,1.5\n03/04/2024,2.5\n")
    assert table.numbers[0, 0] == 19724
    assert "'01/02/2024' is read as %m/%d/%Y, though %d/%m/%Y fits all dates, too" in table.notes[0]
    assert read("d,y\n01/02/2024,1.5\n13/04/2024,2.5\n").notes == ()


def test_columns_are_named_by_name_or_index_and_in_lists(read):
    text = 'a,"b,c",2019,y\n1,2,3,4.5\n4,5,6,7.5\n'
    assert read(text, drop=("a,1",)).number_names == ("2019",)
    assert read(text, drop=("b,c", "2019")).number_names == ("a",)
    assert read(text, "2019").target_name == "2019"
    with pytest.raises(BadInput, match="column 'y' is the target"):
        read(text, drop=("y",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target_kind": "class"}, "unknown target kind 'class'. Did you mean classes"),
        ({"decimal": ";"}, "unknown decimal ';'"),
        ({"delimiter": "ab"}, "must be one character"),
        ({"delimiter": '"'}, "must be one character"),
    ],
)
def test_an_option_that_cannot_be_is_named(given, message):
    with pytest.raises(BadInput, match=message):
        table_options(**given)
    assert table_options(delimiter="tab").dialect.delimiter == "\t"
    assert table_options() == TableOptions()


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
