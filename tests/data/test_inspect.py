import io
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hasten.base.records.inspection import Inspection
from hasten.base.records.record import load, save
from hasten.data.inspect.inspect import inspect
from hasten.data.sources.source import Arrays, read_source
from hasten.report.inspection_words import named_counts


@pytest.fixture
def look(tmp_path):
    def look_at(content, name="x.csv", target=None):
        (tmp_path / name).write_text(content)
        return inspect(read_source(tmp_path / name, column=target))

    return look_at


def test_a_table_is_summed_up(look, tmp_path):
    found = look("size,color,one,y\n1,red,5,a\n2,blue,5,b\n?,red,5,b\n1,red,5,a\n1,red,5,b\n")
    assert (found.kind, found.num_samples, found.duplicates) == ("table", 5, 1)
    assert found.classes == (("a", 2), ("b", 3))
    size, one, color, target = found.columns
    assert (size.missing, size.distinct, size.low, size.mean, size.high) == (1, 2, 1, 1.25, 2)
    assert size.std == pytest.approx(np.std([1, 2, 1, 1]))
    assert (one.distinct, color.top, target.kind) == (1, (("red", 4), ("blue", 1)), "class")
    assert found.rows[0] == ("1", "5", "red", "a")
    assert found.rows[2][0] == ""
    assert found.problems == (
        "Column 'size' is missing in 1 row.",
        "Column 'one' has the same value in every row.",
        "Duplicates: 1 row (20 %) equal to an earlier one.",
        "Contradictions: 1 row equal to another one in all columns but the target.",
    )
    save(found, tmp_path / "inspection.json")
    assert load(Inspection, tmp_path / "inspection.json") == found


def test_imbalance_identifiers_and_mostly_missing_columns_stand_out(look):
    rows = "".join(f"name{i},{'' if i > 2 else i},{'a' if i else 'b'}\n" for i in range(8))
    problems = " ".join(look("id,x,y\n" + rows).problems)
    assert "'id' has a different value in nearly every row" in problems
    assert "'x' is missing in 62 % of the rows" in problems
    assert "a has 7 samples, b 1" in problems


def test_a_capped_target_stands_out(look):
    rows = "".join(f"{i},{min(i * 37 % 200, 150)}.5\n" for i in range(200))
    (problem,) = look("x,y\n" + rows).problems
    assert problem == "50 rows share the highest value of 'y', 150.5: probably capped."


def test_texts_are_summed_up(tmp_path):
    for name, text in {"train/a/1": "same", "train/b/1": "x", "test/a/1": "same", "test/a/2": " "}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.txt").write_text(text)
    found = inspect(read_source(tmp_path))
    assert (found.kind, found.num_samples, found.duplicates, found.splits) == (
        "texts",
        4,
        1,
        (("test", 2), ("train", 2)),
    )
    assert found.columns[0].high == 4
    assert sorted(found.rows) == [("a", "same"), ("b", "x")]
    assert found.problems == (
        "Empty: 1 text.",
        "The split test has no sample of b (1 of 2 classes).",
        "Repeated: 1 sample (25 %).",
        "In both test and train: 1 distinct sample.",
    )


def test_prose_is_summed_up(look):
    found = look("ab\nabc\n", "x.txt")
    character, line = found.columns
    assert (found.num_samples, character.distinct, character.top[0]) == (7, 4, ("\\n", 2))
    assert (line.high, found.rows[:2]) == (3, (("ab",), ("abc",)))


def test_arrays_are_summed_up(tmp_path):
    x = np.ones((4, 2), np.float32)
    x[2, 1], x[3] = np.inf, 7
    (tmp_path / "x.npz").write_bytes(b"x")
    found = inspect(Arrays(tmp_path / "x.npz", {"x": x, "y": np.arange(3)}))
    assert found.shapes == (("x: 2 x float32", 4), ("y: int64", 3))
    assert found.problems == (
        "The arrays differ in length: x 4, y 3.",
        "x: 1 row with values that are not finite, first row 2.",
        "x: Repeated: 1 sample (25 %).",
    )


def test_images_are_summed_up(tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for place, name in enumerate(["a/1", "a/2", "a/3", "b/1"]):
        buffer = io.BytesIO()
        pixels = np.full((4, 6 + place // 3, 3), [place % 2, 10, 255], np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.png").write_bytes(buffer.getvalue())
    (tmp_path / "b" / "2.png").write_bytes(b"broken")
    (tmp_path / "b" / "notes.md").write_text("x")
    found = inspect(read_source(tmp_path))
    assert (found.num_samples, found.examined, found.duplicates) == (5, 5, 1)
    assert found.shapes == (("6 x 4", 3), ("7 x 4", 1))
    red, green, blue = found.columns
    assert (red.low, red.high, red.distinct, green.mean, green.std, blue.mean) == (0, 1, 2, 10, 0, 255)
    assert red.mean == pytest.approx((24 + 28) / (3 * 24 + 28))
    assert red.std == pytest.approx(np.sqrt(red.mean * (1 - red.mean)))
    assert [picture.label for picture in found.pictures] == ["a", "a", "a", "b"]
    assert found.pictures[0].media_type == "image/png"
    assert "Cannot be decoded: 1 of 5 images" in " ".join(found.problems)
    assert "b/2.png" in " ".join(found.problems)
    assert "Not read: 1 .md file." in found.problems
    assert "The images have 2 sizes." in found.problems
    assert msgspec.json.decode(msgspec.json.encode(found), type=Inspection) == found


@pytest.mark.parametrize(
    ("path", "duplicates", "problem"),
    [
        ("california_housing/housing.csv.gz", 0, "Column 'total_bedrooms' is missing in 207 rows."),
        pytest.param(
            "protein_casp/CASP.csv.gz",
            1711,
            "Duplicates: 1,711 rows (3.7 %) equal to an earlier one.",
            marks=pytest.mark.slow,
        ),
        ("trashnet_150", 3, "Repeated: 3 samples (0.1 %)."),
    ],
)
def test_what_is_known_of_real_data_is_found(shared_data, path, duplicates, problem):
    found = inspect(read_source(Path(shared_data, path)))
    assert found.duplicates == duplicates
    assert problem in found.problems


@pytest.mark.slow
def test_reviews_that_are_in_both_splits_are_found(shared_data):
    found = inspect(read_source(shared_data / "imdb"))
    assert "In both test and train: 123 distinct samples." in found.problems


def test_counts_of_a_sample_are_named_as_such(tmp_path, monkeypatch):
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    monkeypatch.setattr("hasten.data.inspect.images._EXAMINED", 4)
    for place in range(12):
        path = tmp_path / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        pillow.new("RGB", (4 + place, 4)).save(path)
    found = inspect(read_source(tmp_path))
    assert "In a sample of 4, the images have 4 sizes." in found.problems
    assert named_counts(found)[0][0] == "sizes in a sample of 4"
