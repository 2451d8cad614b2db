import os

import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.sources.archive import read_members
from hasten.data.sources.class_folders import find_class_folders


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


def splits_of(found):
    return {name: sorted(found.members[i].name for i in ids) for name, ids in found.splits.items()}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "eval"),
        ("Train", "Val", "Test"),
        ("training", "validation", "testing"),
        ("train", "dev", "test"),
        ("train", "valid"),
        ("train", "evaluation"),
        ("train2017", "val2017"),
        ("seg_train", "seg_test"),
        ("20news-bydate-train", "20news-bydate-test"),
        ("val", "test"),
    ],
)
def test_the_usual_names_of_splits_are_known(make, names):
    found = find(make(*(f"{split}/{name}/1.txt" for split in names for name in ("dog", "cat"))))
    assert found.classes == ("cat", "dog")
    assert splits_of(found) == {split: [f"{split}/cat/1.txt", f"{split}/dog/1.txt"] for split in sorted(names)}
    assert found.remarks == ()


def test_splits_inside_every_class_are_found(make):
    found = find(make(*(f"{name}/{split}/1.txt" for split in ("train", "test") for name in ("dog", "cat"))))
    assert found.classes == ("cat", "dog")
    assert splits_of(found) == {name: [f"cat/{name}/1.txt", f"dog/{name}/1.txt"] for name in ("test", "train")}


@pytest.mark.parametrize("name", ["test_tube", "development", "bullet train", "evaluations"])
def test_a_class_whose_name_holds_a_word_for_a_split_is_a_class(make, name):
    found = find(make(f"{name}/deeper/1.txt", "dog/deeper/1.txt"))
    assert found.classes == tuple(sorted([name, "dog"]))
    assert (found.splits, found.remarks) == ({}, ())


def test_names_of_splits_taken_as_classes_are_remarked(make):
    found = find(make("train/dog/1.txt", "eval/dog/1.txt", "extra/dog/1.txt"))
    assert found.classes == ("eval", "extra", "train")
    assert found.remarks[0].startswith(
        "The folders eval, train are taken as classes, although they are named as splits"
    )


def test_both_classes_named_as_splits_are_remarked(make):
    assert "The folders eval, train are taken as classes" in find(make("train/1.txt", "eval/1.txt")).remarks[0]


def test_a_test_part_without_classes_is_left_out_and_named(make):
    found = find(make("train/dog/1.txt", "train/cat/1.txt", "test/1.txt", "test/2.txt"))
    assert splits_of(found) == {"train": ["train/cat/1.txt", "train/dog/1.txt"]}
    assert found.skipped == ("test part without class folders: 2 files, the first test/1.txt.",)


def test_class_folders_that_are_links_are_followed(make, tmp_path):
    path = make("dog/1.txt")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "2.txt").write_text("x")
    (path / "cat").symlink_to(tmp_path / "elsewhere")
    found = find(path)
    assert [(member.name, found.classes[code]) for member, code in zip(found.members, found.labels, strict=True)] == [
        ("cat/2.txt", "cat"),
        ("dog/1.txt", "dog"),
    ]


def test_a_fifo_is_skipped_and_named_and_a_broken_link_is_an_error(make):
    path = make("dog/1.txt", "cat/1.txt")
    os.mkfifo(path / "dog" / "fifo.txt")
    (path / "dog" / "gone.png").symlink_to("nowhere")
    assert find(path).skipped == (f"{path}/dog/fifo.txt is a FIFO, so it is not read.",)
    (path / "dog" / "gone.txt").symlink_to("nowhere")
    with pytest.raises(BadInput, match=r"dog/gone.txt is a broken link. .* or leave it out with --skip-bad"):
        find(path)
    assert len(find(path, on_bad="skip").skipped) == 2


def test_names_that_do_not_print_are_escaped(make):
    path = make("dog/1.txt", "new\nline/1.txt", "\x1b[31m/1.txt", "emoji 🐈/1.txt")
    (path / os.fsdecode(b"latin-\xe9")).mkdir()
    (path / os.fsdecode(b"latin-\xe9") / "1.txt").write_text("x")
    found = find(path)
    assert found.classes == ("\\x1b[31m", "dog", "emoji 🐈", "latin-\\udce9", "new\\nline")
    assert "\n".join(map(str, found.members)).encode().isascii() is False
    assert len(list(read_members(found.members))) == 5
