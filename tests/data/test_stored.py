"""What was packed is read again by everything that reads the source itself."""

import io

import numpy as np
import pytest
import torch

from hasten.base.errors import BadInput
from hasten.data.inspect.inspect import inspect
from hasten.data.packing.packing_of import packing_of
from hasten.data.sources.class_folders import ClassFolders
from hasten.data.sources.source import Arrays, read_source
from hasten.data.sources.stored import StoredImages, is_store
from hasten.data.store.pack import cached, pack
from hasten.data.store.reader import open_store
from hasten.tasks.loading import load_task

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.fixture
def photos(tmp_path):
    for place in range(24):
        pixels = np.random.default_rng(place).integers(0, 256, (12, 12, 3), np.uint8)
        split, name = "valid" if place % 4 == 0 else "train", "cat" if place % 2 else "dog"
        path = tmp_path / "photos" / split / f"{name}{place % 8 // 4}" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def packed(source, **options):
    store = source.with_name(source.name + ".store")
    pack(packing_of(read_source(source), **options), store)
    return store


@pytest.mark.parametrize("form", ["pixels", "encoded"])
def test_a_store_of_images_is_inspected_like_its_source(photos, form):
    store = packed(photos, form=form)
    assert is_store(store)
    found, expected = inspect(read_source(store)), inspect(read_source(photos))
    for name in ("kind", "num_samples", "duplicates", "classes", "splits", "shapes", "columns"):
        assert getattr(found, name) == getattr(expected, name), name
    assert [picture.label for picture in found.pictures] == [picture.label for picture in expected.pictures]
    shown = np.asarray(Image.open(io.BytesIO(found.pictures[0].content)))
    np.testing.assert_array_equal(shown, np.asarray(Image.open(io.BytesIO(expected.pictures[0].content))))


@pytest.mark.parametrize("form", ["pixels", "encoded"])
@pytest.mark.parametrize("size", [None, 8])
def test_the_task_images_takes_a_store(photos, form, size, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    from hasten.tasks import images

    from_store, from_folder = (
        images.task(data=packed(photos, form=form), size=size),
        images.task(data=photos, size=size),
    )
    for name in ("train", "valid"):
        one, other = getattr(from_store.data, name), getattr(from_folder.data, name)
        assert len(one) == len(other) > 0
        for column, expected in zip(one.take(torch.arange(len(one))), other.take(torch.arange(len(one))), strict=True):
            assert torch.equal(column, expected)


def test_a_store_of_images_is_packed_again_at_another_size(photos):
    store = packed(photos, form="encoded")
    pack(packing_of(read_source(store), size=6), store.with_name("small"))
    pack(packing_of(read_source(photos), size=6), store.with_name("direct"))
    one, other = open_store(store.with_name("small")), open_store(store.with_name("direct"))
    assert torch.equal(one.take("image", torch.arange(24)), other.take("image", torch.arange(24)))
    with pytest.raises(BadInput, match="holds pixels, not files of images"):
        packing_of(read_source(store.with_name("small")), form="encoded")


def test_a_store_of_texts_is_read_by_inspect_and_the_task(tmp_path):
    for place in range(20):
        path = tmp_path / "texts" / ("pos" if place % 2 else "neg") / f"{place}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"a film number {place} that I {'liked' if place % 2 else 'hated'} – véry much")
    store = packed(tmp_path / "texts")
    texts, expected = read_source(store), read_source(tmp_path / "texts")
    assert (texts.texts, texts.classes) == (expected.texts, expected.classes)
    assert inspect(texts).classes == (("neg", 10), ("pos", 10))
    tasks = [load_task("imdb", data=path) for path in (store, tmp_path / "texts")]
    for one, other in zip(tasks[0].data.train.tensors, tasks[1].data.train.tensors, strict=True):
        assert torch.equal(one, other)


def test_a_store_of_a_text_is_read_by_inspect_and_the_task(tmp_path):
    (tmp_path / "x.txt").write_text("To be or not to be – that is the question. " * 200)
    store = packed(tmp_path / "x.txt")
    assert read_source(store).text == (tmp_path / "x.txt").read_text()
    assert inspect(read_source(store)).columns == inspect(read_source(tmp_path / "x.txt")).columns
    task, expected = load_task("shakespeare", data=store), load_task("shakespeare", data=tmp_path / "x.txt")
    assert torch.equal(task.data.train.tokens, expected.data.train.tokens)
    pack(packing_of(read_source(store)), tmp_path / "again")
    assert read_source(tmp_path / "again").text == read_source(store).text


def test_a_store_of_a_table_is_read_by_inspect_and_the_task(tmp_path):
    rows = [f"{i / 7},{'abc'[i % 3]},{'yes' if i % 2 else 'no'}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["x,letter,y", *rows]))
    store = packed(tmp_path / "t.csv")
    assert inspect(read_source(store)).columns == inspect(read_source(tmp_path / "t.csv")).columns
    task, expected = load_task("table", data=store), load_task("table", data=tmp_path / "t.csv")
    for one, other in zip(task.data.valid.tensors, expected.data.valid.tensors, strict=True):
        assert torch.equal(one, other)
    with pytest.raises(BadInput, match="was packed to predict 'y'; .* Pack it again"):
        load_task("table", data=store, column="x")


def test_a_store_of_arrays_is_read_by_inspect(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(12.0).reshape(4, 3), b=np.arange(4))
    store = packed(tmp_path / "x.npz")
    source = read_source(store)
    assert isinstance(source, Arrays)
    np.testing.assert_array_equal(source.arrays["a"], np.arange(12.0).reshape(4, 3))
    assert inspect(source).columns == inspect(read_source(tmp_path / "x.npz")).columns


@pytest.mark.parametrize("task", ["images", "imdb", "shakespeare", "table"])
def test_a_store_of_another_kind_is_one_message(tmp_path, task):
    np.save(tmp_path / "x.npy", np.arange(4))
    with pytest.raises(BadInput, match="must be a store of .*; found one of arrays. Pass another store"):
        load_task(task, data=packed(tmp_path / "x.npy"))


def test_a_damaged_store_is_found_by_inspect(photos):
    store = packed(photos)
    content = bytearray((store / "image.npy").read_bytes())
    content[-1] ^= 1
    (store / "image.npy").write_bytes(content)
    with pytest.raises(BadInput, match=r"image.npy, block 0, .* so the file is damaged"):
        inspect(read_source(store))


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "manifest.json"])
@pytest.mark.parametrize("place", [5, 140, -1])
def test_a_damaged_store_in_the_cache_is_packed_again(photos, tmp_path, name, place, caplog):
    packing = packing_of(read_source(photos))
    store = cached(packing, tmp_path / "cache")
    expected = store.take("image", torch.arange(24))
    content = bytearray((store.folder / name).read_bytes())
    content[place] ^= 64
    (store.folder / name).write_bytes(content)
    again = cached(packing, tmp_path / "cache")
    again.check()
    assert torch.equal(again.take("image", torch.arange(24)), expected)
    assert name == "manifest.json" or "is damaged; packing it again" in caplog.text


def test_a_cached_store_that_lost_a_file_is_packed_again(photos, tmp_path):
    packing = packing_of(read_source(photos))
    (cached(packing, tmp_path / "cache").folder / "label.npy").unlink()
    cached(packing, tmp_path / "cache").check()


def test_images_without_endings_are_known_by_their_content(photos):
    for path in photos.rglob("*.png"):
        path.rename(path.with_suffix(""))
    (photos / "train" / "cat0" / "notes.md").write_text("x")
    source = read_source(photos)
    assert isinstance(source, ClassFolders)
    assert len(source) == 25
    (photos / "train" / "cat0" / "notes.md").unlink()
    assert not any("decoded" in problem for problem in inspect(read_source(photos)).problems)
    assert not isinstance(source, StoredImages)


def test_texts_without_endings_are_known_by_their_content(tmp_path):
    """As the 20 newsgroups ship: a file is called by its number, and no file has an ending."""
    for split in ("20news-bydate-train", "20news-bydate-test"):
        for name in ("rec.autos", "sci.space", "alt.atheism"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(5):
                text = f"From: me@{name}\nSubject: Re: {number}\n\nIt's {split}.\n"
                (tmp_path / split / name / f"{51060 + number}").write_text(text)
    source = read_source(tmp_path)
    assert source.classes == ("alt.atheism", "rec.autos", "sci.space")
    assert {name: len(ids) for name, ids in source.splits.items()} == {
        "20news-bydate-test": 15,
        "20news-bydate-train": 15,
    }
    assert len(load_task("imdb", data=tmp_path).data.train) == 12


def test_a_folder_of_idx_files_is_inspected(tmp_path):
    for name, shape in (("train-images-idx3-ubyte", (6, 4, 4)), ("train-labels-idx1-ubyte", (6,)), ("t10k", (2,))):
        header = bytes([0, 0, 8, len(shape)]) + b"".join(side.to_bytes(4, "big") for side in shape)
        (tmp_path / name).write_bytes(header + bytes(int(np.prod(shape))))
    (tmp_path / "LICENSE").write_text("MIT")
    source = read_source(tmp_path)
    assert {name: array.shape for name, array in source.arrays.items()} == {
        "t10k": (2,),
        "train-images-idx3-ubyte": (6, 4, 4),
        "train-labels-idx1-ubyte": (6,),
    }
    assert inspect(source).num_samples == 6


def test_a_folder_of_tables_names_them(tmp_path):
    for name in ("train.csv", "test.csv.gz", "x.parquet"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="is a folder of tables: test.csv.gz, train.csv, x.parquet. Pass one"):
        read_source(tmp_path)
