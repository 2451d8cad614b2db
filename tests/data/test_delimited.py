import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.tables.delimited import Dialect, read_columns


@pytest.fixture
def read(tmp_path):
    def read_it(text, dialect=None, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_columns(path, dialect or Dialect())

    return read_it


def fields(columns):
    return tuple(map(columns.texts, columns.names))


field = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(str.lstrip)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.tuples(*[field] * width), min_size=1, max_size=6)))
def test_what_a_csv_writer_wrote_comes_back(tmp_path_factory, rows):
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "file.csv.gz"
    path.write_bytes(gzip.compress(file.getvalue().encode(), 1))
    found = read_columns(path, Dialect(delimiter=",", header=False))
    assert list(zip(*map(found.texts, found.names), strict=True)) == rows
    assert found.names[:2] == ("column 1", "column 2")


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t", " "])
def test_the_delimiter_is_found(read, delimiter):
    found = read("\n".join(delimiter.join(row) for row in (["a", "b", "c"], ["1", "x", "3"], ["4", "y", "6"])))
    assert found.names == ("a", "b", "c")
    assert fields(found) == (["1", "4"], ["x", "y"], ["3", "6"])


def test_in_tab_separated_text_quotes_are_ordinary(read):
    found = read('ham\t"Hello, she said\nspam\tFree; now\nham\tok', name="file.tsv")
    assert found.names == ("column 1", "column 2")
    assert fields(found)[1] == ['"Hello, she said', "Free; now", "ok"]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n3,4", True),
        ("1,2\n3,4\n5,6", False),
        ("text,category\nhello there,x\nbye,y", True),
        ("ham,hello there\nspam,x\nham,y", False),
        (",b\n1,x\n2,y", True),
        ("only,one row", False),
    ],
)
def test_a_header_is_told_from_a_row(read, text, header):
    assert (len(read(text)) < len(text.splitlines())) == header


def test_a_quoted_field_may_hold_delimiters_and_line_ends(read):
    found = read('a,b\n"x, y","two\nlines"\n1,2')
    assert fields(found) == (["x, y", "1"], ["two\nlines", "2"])
    assert [found.line_of(row) for row in found.rows] == [3, 4]


@pytest.mark.parametrize(("row", "count"), [("4,5,6,7", 4), ("4,5", 2)])
def test_a_row_of_another_width_is_named(read, row, count):
    text = "a,b,c\n1,2,3\n\n1,2,3\n" + row
    with pytest.raises(
        BadInput, match=rf"must have 3 fields in every row \(a, b, c\); found {count} in row 3 \(line 5\)"
    ):
        read(text)


def test_a_field_of_several_lines_is_shown_on_one(read):
    with pytest.raises(BadInput) as caught:
        read('a,b,c\n1,2,3\n"4\n5",6')
    assert "\n" not in str(caught.value)
    assert r": 4\n5, 6." in str(caught.value)


def test_a_broken_quote_is_named_by_its_line(read):
    with pytest.raises(BadInput, match=r"separated by ','; found in the row that starts in line 3: unexpected end"):
        read('a,b\n1,2\n"3,4\n5,6', Dialect(delimiter=","))


def test_comments_and_skipped_lines_are_left_out(read):
    found = read("569,30,x\n#hello\n1,2\n#\n3,4", Dialect(comment="#", skip=1))
    assert fields(found) == (["1", "3"], ["2", "4"])
    assert [found.line_of(row) for row in found.rows] == [3, 5]


def test_names_can_be_given(read):
    assert fields(read("a,b\nc,d", Dialect(names=("x", "y")))) == (["a", "c"], ["b", "d"])
    with pytest.raises(BadInput, match="has 2 columns; found 1 names"):
        read("1,2", Dialect(names=("x",)))


def test_columns_of_one_name_get_numbers_and_a_note(read):
    found = read("a,a,b,a.1,a\n1,2,3,4,5\n6,7,8,9,0")
    assert found.names == ("a", "a.1", "b", "a.1.1", "a.2")
    assert any("column 'a' occurs more than once" in note for note in found.notes)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_rows_is_refused(read, text):
    with pytest.raises(BadInput, match="at least one row; found none"):
        read(text)


def test_a_header_alone_is_refused(read):
    with pytest.raises(BadInput, match="at least one row below its header"):
        read("a,b\n", Dialect(header=True))


def test_wrong_encoding_is_named_by_its_byte(read):
    with pytest.raises(BadInput, match="0xe9 at byte offset 7"):
        read(b"a,b\n1,x\xe9\n")
