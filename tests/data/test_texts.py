import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.sources.texts import read_text_folders, read_text_table


@pytest.fixture
def folder(tmp_path):
    for name, text in {"train/pos/1.txt": "good", "train/neg/1.txt": "bäd", "test/pos/1.txt": "fine"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_file_is_a_text(folder):
    found = read_text_folders(folder)
    assert found.classes == ("neg", "pos")
    assert dict(zip(found.texts, found.labels.tolist(), strict=True)) == {"good": 1, "bäd": 0, "fine": 1}
    assert [found.texts[place] for place in found.splits["test"]] == ["fine"]


def test_wrong_encoding_is_named_or_left_out(folder):
    (folder / "train/neg/2.txt").write_bytes(b"b\xe4d")
    with pytest.raises(BadInput, match=r"train/neg/2.txt must be UTF-8 text; found the byte 0xe4 at byte offset 1"):
        read_text_folders(folder)
    found = read_text_folders(folder, on_bad="skip")
    assert len(found) == 3
    assert len(found.skipped) == 1
    assert sorted(found.texts[place] for place in found.splits["train"]) == ["bäd", "good"]


def test_a_row_is_a_text(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('"3","Fears, again","Unions say"\n"4","Race","on"\n"3","x","y"\n')
    found = read_text_table(path, 0)
    assert found.texts == ("Fears, again\nUnions say", "Race\non", "x\ny")
    assert (found.classes, found.labels.tolist()) == (("3", "4"), [0, 1, 0])
    assert read_text_table(path, 0, columns=["column 2"]).texts == ("Fears, again", "Race", "x")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text,y\na b,1\nc d,\n", {}, r"row 2 \(line 3\), column 'y': a class must be present"),
        ("text,y\na b,1\n", {"columns": ["txt"]}, r"unknown column 'txt'. Did you mean text"),
        ("y\n1\n2\n", {}, "a column of text beside the target; found y"),
    ],
)
def test_bad_tables_are_named(tmp_path, content, options, message):
    path = tmp_path / "file.csv"
    path.write_text(content)
    with pytest.raises(BadInput, match=message):
        read_text_table(path, "y", **options)


def test_rows_with_faults_can_be_left_out(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("text,y\na b,1\nc,d,2\ne f,\ng h,3\n")
    found = read_text_table(path, "y", on_bad="skip")
    assert (found.texts, found.classes, len(found.skipped)) == (("a b", "g h"), ("1", "3"), 2)


def test_sms_and_news_are_read(shared_data):
    sms = read_text_table(shared_data / "sms_spam" / "SMSSpamCollection.gz", 0)
    assert np.bincount(sms.labels).tolist() == [4827, 747]
    news = read_text_table(shared_data / "ag_news_test" / "test.csv.gz", 0)
    assert np.bincount(news.labels).tolist() == [1900] * 4


@pytest.mark.slow
def test_imdb_is_read(shared_data):
    found = read_text_folders(shared_data / "imdb")
    assert np.bincount(found.labels).tolist() == [25000, 25000]
    assert {name: len(ids) for name, ids in found.splits.items()} == {"test": 25000, "train": 25000}
