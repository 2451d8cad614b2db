import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from hasten.base.errors import BadInput
from hasten.data.tables.delimited import Dialect, read_columns


@pytest.fixture
def read(tmp_path):
    def read_it(text, **options):
        (tmp_path / "x.csv").write_text(text)
        return read_columns(tmp_path / "x.csv", Dialect(**options))

    return read_it


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (",a,b\n0,1,x\n1,2,y\n", ("column 1", "a", "b")),
        ("a,b,\n1,2,\n3,4,\n", ("a", "b", "column 3")),
        ("a,b\n1,2,\n3,4,\n", ("a", "b", "column 3")),
        ("a,b,\n1,2\n3,4\n", ("a", "b")),
        ("mpg cyl\nMazda 21 6\nFord 22 4\n", ("column 1", "mpg", "cyl")),
        ("country,2019,2020,2021\nDE,1,2,3\nFR,4,5,6\n", ("country", "2019", "2020", "2021")),
        ("2019,2020,2021\n1.5,2,3\n4,5,6\n", ("2019", "2020", "2021")),
        (",0,1,2\n0,5.5,6,7\n1,8,9,1\n", ("column 1", "0", "1", "2")),
        ("0,1,2\n5.5,6,7\n8,9,1\n", ("0", "1", "2")),
        ("city,2020\nBonn,5\nRome,7\n", ("city", "2020")),
        ("date;price\n01.02.2024;1,5\n02.02.2024;2,5\n", ("date", "price")),
        ("id,when\na,2024-01-01\nb,2024-01-02\n", ("id", "when")),
        ("a,b\n1,None\n2,3\n", ("a", "b")),
    ],
)
def test_a_header_is_recognized(read, text, names):
    assert read(text).names == names


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6\n7,8,9\n",
        "2019,2020\n2018,2021\n2017,2020\n",
        "2019,2020,2021\n2020,2021,2022\n2021,2022,2023\n",
        "5.1,3.5,a\n4.9,3.0,b\n",
        "a,1.5\nb,2.5\n",
        "France,2019\nSpain,2020\n",
        "x,?\ny,2\nz,3\n",
    ],
)
def test_a_row_of_data_is_no_header(read, text):
    found = read(text)
    assert len(found) == len(text.splitlines())
    assert "pass --header if it is" in found.notes[-1]


def test_the_header_can_be_said(read):
    assert read("1,2\n3,4\n", header=True).names == ("1", "2")
    assert read("a,b\n3,4\n", header=False).names == ("column 1", "column 2")
    with pytest.raises(BadInput, match="found 1 in line 1: a"):
        read("a\n1,2,3\n4,5,6\n", header=True)


def test_a_title_above_the_header_is_a_bad_row(tmp_path):
    (tmp_path / "x.csv").write_text("Sales\na,b,c\n1,2,3\n4,5,6\n")
    with pytest.raises(BadInput, match=r"must have 3 fields in every row; found 1 in line 1: Sales"):
        read_columns(tmp_path / "x.csv")
    found = read_columns(tmp_path / "x.csv", on_bad="skip")
    assert (found.names, len(found), len(found.skipped)) == (("a", "b", "c"), 2, 1)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,5;2,5\n1,7;2,25\n", 2),
        ("x;y\n1,5;2,5\n3;4\n", 2),
        ('a, b\n1, "x, y"\n2, "z"\n', 2),
        ("a b\n 1  2 \n3   4\n", 2),
        ('x,y\n1,"5"" pipe"\n2,z\n', 2),
        ("x,y\r1,2\r3,4\r", 2),
    ],
)
def test_the_delimiter_fits_the_numbers(read, text, names):
    assert len(read(text).names) == names


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_unicode_encoding_is_read(tmp_path, encoding):
    (tmp_path / "x.csv").write_bytes("größe,y\n1,ä\n2,b\n".encode(encoding))
    found = read_columns(tmp_path / "x.csv")
    assert (found.names, found.texts("y")) == (("größe", "y"), ["ä", "b"])


@pytest.mark.parametrize(
    ("content", "message"), [(b"PK\x03\x04abc", r"control character '\\x03'"), (b"\xff\xfea", "UTF-16")]
)
def test_what_is_no_text_is_named(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_columns(tmp_path / "x.csv")
