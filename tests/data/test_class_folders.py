import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.class_folders import find_class_folders


@pytest.fixture
def make(tmp_path):
    def make_them(*names):
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
            else:
                path.write_text("x")
        return tmp_path / "data"

    return make_them


def find(path, **options):
    return find_class_folders(path, {".txt"}, **options)


def test_a_folder_is_a_class(make):
    found = find(make("dog/1.txt", "dog/2.TXT", "cat/1.txt", "cat/deeper/2.txt", "README.md", "cat/x.gif"))
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [{"cat": 0, "dog": 1}[member.name[:3]] for member in found.members]
    assert len(found) == 4
    assert (found.splits, found.ignored) == ({}, {".md": 1, ".gif": 1})


def test_folders_that_all_share_are_passed_over(make):
    found = find(make("set/train/dog/images/1.txt", "set/train/cat/images/1.txt"))
    assert found.classes == ("cat", "dog")
    assert found.splits == {}


def test_given_splits_are_found(make):
    found = find(make("x/train/dog/1.txt", "x/train/cat/1.txt", "x/test/dog/1.txt"))
    assert found.classes == ("cat", "dog")
    assert {name: [found.members[i].name for i in ids] for name, ids in found.splits.items()} == {
        "test": ["x/test/dog/1.txt"],
        "train": ["x/train/cat/1.txt", "x/train/dog/1.txt"],
    }


def test_a_class_called_train_is_a_class(make):
    assert find(make("train/1.txt", "bus/1.txt")).classes == ("bus", "train")


def test_an_empty_class_is_an_error_or_left_out(make):
    path = make("train/dog/1.txt", "train/cat/1.txt", "train/cow/", "test/dog/1.txt")
    with pytest.raises(BadInput, match="must have a file in every class folder; found none in train/cow"):
        find(path)
    found = find(path, on_bad="skip")
    assert found.classes == ("cat", "dog")
    assert len(found.skipped) == 1
    assert "train/cow" in found.skipped[0]


def test_a_file_outside_of_the_classes_is_an_error_or_left_out(make):
    path = make("dog/1.txt", "cat/1.txt", "notes.txt")
    with pytest.raises(BadInput, match=r"every file in a class folder; found 1 outside, the first notes.txt"):
        find(path)
    found = find(path, on_bad="skip")
    np.testing.assert_array_equal(found.labels, [0, 1])
    assert "notes.txt" in found.skipped[0]


@pytest.mark.parametrize("on_bad", ["raise", "skip"])
def test_a_folder_without_classes_is_refused(make, on_bad):
    with pytest.raises(BadInput, match=r"must have every file in a class folder; found 2|at least two class folders"):
        find(make("1.txt", "2.txt"), on_bad=on_bad)


def test_one_class_is_not_enough(make):
    with pytest.raises(BadInput, match="at least two class folders with files; found dog"):
        find(make("dog/1.txt", "dog/2.txt"))


def test_a_folder_without_such_files_says_what_it_holds(make):
    with pytest.raises(BadInput, match=r"must hold files ending in .txt, .*; found 2 of .gif"):
        find(make("dog/1.gif", "cat/1.gif"))
