import io
import tarfile

import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.sources.class_folders import ClassFolders
from hasten.data.sources.source import Arrays, Prose, read_source
from hasten.data.sources.texts import Texts
from hasten.data.tables.table import Table

IDX = b"\0\0\x08\x01\0\0\0\x02ab"
LONG = "\n".join(f"a rather long text that says something new in line {i},{'xy'[i % 2]}" for i in range(9))


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "target", "kind"),
    [
        ("x.csv", b"a,b\n1,2\n3,4\n", None, Table),
        ("x.data", b"1,2,y\n3,4,n\n", None, Table),
        ("x", b"1;2\n3;4\n", 0, Table),
        ("x.csv", LONG.encode(), -1, Texts),
        ("x", b"spam\t" + b"hello there this is a long text " * 3 + b"\nham\tshort\n", 0, Texts),
        ("x.txt", b"To be or not", None, Prose),
        ("x-ubyte", IDX, None, Arrays),
        ("x.npy", npy(), None, Arrays),
    ],
)
def test_the_kind_of_a_file_is_found_out(tmp_path, name, content, target, kind):
    (tmp_path / name).write_bytes(content)
    source = read_source(tmp_path / name, column=target)
    assert isinstance(source, kind)
    assert source.source == tmp_path / name


@pytest.mark.parametrize(("suffix", "kind"), [(".txt", Texts), (".png", ClassFolders), (".JPG", ClassFolders)])
@pytest.mark.parametrize("packed", [False, True])
def test_the_kind_of_a_folder_is_found_out(tmp_path, suffix, kind, packed):
    for name in ("a/1", "b/1"):
        path = tmp_path / "x" / (name + suffix)
        path.parent.mkdir(parents=True)
        path.write_text("x")
    if packed:
        with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
            tar.add(tmp_path / "x", "x")
    source = read_source(tmp_path / ("x.tgz" if packed else "x"))
    assert isinstance(source, kind)
    assert (source.classes, source.labels.tolist()) == (("a", "b"), [0, 1])


def test_npz_and_parquet_are_known_by_their_names(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.zeros(3))
    source = read_source(tmp_path / "x.npz")
    assert isinstance(source, Arrays)
    assert list(source.arrays) == ["a", "b"]
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pytest.importorskip("pyarrow.parquet").write_table(
        pa.table({"x": [1.0, 2.0], "y": ["a", "b"]}), tmp_path / "x.parquet"
    )
    table = read_source(tmp_path / "x.parquet")
    assert isinstance(table, Table)
    assert (table.target_name, table.classes) == ("y", ("a", "b"))
    with pytest.raises(BadInput, match="has 2 columns; found the column index 5"):
        read_source(tmp_path / "x.parquet", column=5)


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(BadInput, match="must be a readable file; found: No such file"):
        read_source(tmp_path / "nothing.csv")
    with pytest.raises(BadInput, match="must hold files ending in .*, .jpg, .*found no files"):
        read_source(tmp_path)
