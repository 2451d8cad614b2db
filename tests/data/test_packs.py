import io
import tarfile

import numpy as np
import pytest
import torch

from hasten.base.errors import BadInput
from hasten.data.packing.pack_arrays import pack_arrays, pack_table
from hasten.data.packing.pack_images import pack_images
from hasten.data.packing.pack_texts import pack_characters, pack_texts, pack_tokens
from hasten.data.packing.packing_of import packing_of
from hasten.data.sources.arrays import read_tokens
from hasten.data.sources.class_folders import find_class_folders
from hasten.data.sources.pictures import IMAGE_SUFFIXES, decode_image, read_pictures
from hasten.data.sources.source import read_source
from hasten.data.sources.texts import read_text_folders
from hasten.data.store.pack import cached, pack
from hasten.data.store.reader import open_store
from hasten.data.store.verify import verify
from hasten.data.tables.preprocess import fit, transform
from hasten.data.tables.table import TableOptions, read_table

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def all_of(store, name):
    return store.take(name, torch.arange(len(store))).numpy()


def encoded(seed, height=6, width=5):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(params=["folder", "archive"])
def images(tmp_path, request):
    """More images than one chunk holds, with given splits."""
    files = {
        f"{split}/{kind}/{i}.png": encoded(i) for split in ("test", "train") for kind in ("a", "b") for i in range(70)
    }
    if request.param == "archive":
        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return tmp_path / "x.tar.gz"
    for name, content in files.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(content)
    return tmp_path / "x"


def test_images_are_packed_as_pixels_or_as_they_are(images, tmp_path):
    folders = find_class_folders(images, IMAGE_SUFFIXES)
    expected = read_pictures(folders)
    pack(pack_images(folders), tmp_path / "pixels")
    pack(pack_images(folders, form="encoded"), tmp_path / "encoded")
    pixels, bytes_ = open_store(tmp_path / "pixels"), open_store(tmp_path / "encoded")
    np.testing.assert_array_equal(all_of(pixels, "image"), expected.pixels)
    for store in (pixels, bytes_):
        np.testing.assert_array_equal(all_of(store, "label"), expected.labels)
        assert store.manifest.classes == ("a", "b")
        assert store.splits == ("test", "train")
        np.testing.assert_array_equal(store.split("train").numpy(), folders.splits["train"])
    for place, content in enumerate(bytes_.items("image", torch.arange(len(folders)))):
        np.testing.assert_array_equal(decode_image(content.tobytes(), "x"), expected.pixels[place])
    assert (all_of(bytes_, "size") == [6, 5]).all()


@pytest.mark.parametrize("images", ["folder"], indirect=True)
def test_an_image_that_does_not_decode_stops_packing_or_is_left_out(images, tmp_path):
    (images / "train/a/3.png").write_bytes(b"broken")
    folders = find_class_folders(images, IMAGE_SUFFIXES)
    with pytest.raises(BadInput, match=r"train/a/3.png must be an image that can be decoded"):
        pack(pack_images(folders), tmp_path / "s")
    assert not (tmp_path / "s").exists()
    manifest = pack(pack_images(folders, on_bad="skip"), tmp_path / "s")
    assert (manifest.num_samples, len(manifest.skipped)) == (279, 1)
    store = open_store(tmp_path / "s")
    expected = read_pictures(folders, on_bad="skip")
    np.testing.assert_array_equal(all_of(store, "image"), expected.pixels)
    assert [len(store.split(name)) for name in store.splits] == [140, 139]


@pytest.mark.parametrize("images", ["folder"], indirect=True)
def test_images_of_several_sizes_are_scaled_or_kept(images, tmp_path):
    (images / "train/a/3.png").write_bytes(encoded(0, 8, 9))
    folders = find_class_folders(images, IMAGE_SUFFIXES)
    with pytest.raises(BadInput, match=r"train/a/3.png: .* must have one size; found 9 x 8 where the first has 5 x 6"):
        pack(pack_images(folders), tmp_path / "s")
    pack(pack_images(folders, size=4, channels=1), tmp_path / "s")
    np.testing.assert_array_equal(
        all_of(open_store(tmp_path / "s"), "image"), read_pictures(folders, size=4, channels=1).pixels
    )
    pack(pack_images(folders, form="encoded"), tmp_path / "e")
    assert [8, 9] in all_of(open_store(tmp_path / "e"), "size").tolist()
    with pytest.raises(BadInput, match="encoded images keep the size they have; found the size 4"):
        pack_images(folders, form="encoded", size=4)


def test_texts_are_packed_as_their_bytes(tmp_path):
    texts = {"train/pos/1.txt": "góod", "train/neg/1.txt": "", "test/pos/1.txt": "fine 😀", "test/neg/1.txt": "x"}
    for name, text in texts.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_text(text)
    source = read_text_folders(tmp_path / "x")
    pack(pack_texts(source), tmp_path / "s")
    store = open_store(tmp_path / "s")
    assert tuple(item.tobytes().decode() for item in store.items("text", torch.arange(4))) == source.texts
    assert store.split("train").tolist() == source.splits["train"].tolist()


def test_characters_are_packed_as_tokens(tmp_path, monkeypatch):
    monkeypatch.setattr("hasten.data.packing.pack_texts._CHUNK_TOKENS", 5)
    text = "to be or not to be\n"
    (tmp_path / "x.txt").write_text(text)
    pack(pack_characters(tmp_path / "x.txt"), tmp_path / "s")
    store = open_store(tmp_path / "s")
    tokens = store.stream("tokens").span(0, len(text))
    assert tokens.dtype == np.uint8
    assert "".join(store.manifest.details["vocabulary"][token] for token in tokens) == text


def test_bare_tokens_are_packed(tmp_path, monkeypatch):
    monkeypatch.setattr("hasten.data.packing.pack_texts._CHUNK_TOKENS", 5)
    np.arange(13, dtype="<u2").tofile(tmp_path / "x.bin")
    pack(pack_tokens(read_tokens(tmp_path / "x.bin"), tmp_path / "x.bin"), tmp_path / "s")
    tokens = open_store(tmp_path / "s").stream("tokens")
    assert (tokens.span(0, 13).tolist(), len(tokens)) == (list(range(13)), 13)


@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.npz", "texts.csv"])
def test_any_source_can_be_packed(tmp_path, name):
    path = tmp_path / name
    if name == "x.npz":
        np.savez(path, x=np.arange(3))
    else:
        path.write_text("a,b\n1,x\n2,y\n" if name == "x.csv" else "a long text that tells something,1\nand another,2\n")
    manifest = pack(packing_of(read_source(path)), tmp_path / "s")
    assert manifest.kind == {"x.csv": "table", "x.txt": "tokens", "x.npz": "arrays", "texts.csv": "table"}[name]
    assert verify(tmp_path / "s").damage == ()


def test_a_cached_store_follows_its_source(tmp_path):
    (tmp_path / "x.txt").write_text("one")

    def store():
        return cached(pack_characters(tmp_path / "x.txt"), tmp_path / "cache")

    first = store()
    before = (first.folder / "manifest.json").stat().st_mtime_ns
    assert store().folder == first.folder
    assert (first.folder / "manifest.json").stat().st_mtime_ns == before
    (tmp_path / "x.txt").write_text("eno")
    assert store().folder == first.folder
    assert (first.folder / "manifest.json").stat().st_mtime_ns > before
    np.testing.assert_array_equal(store().stream("tokens").span(0, 3), [0, 1, 2])
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_table_is_packed_as_it_is_or_prepared(tmp_path):
    (tmp_path / "x.csv").write_text("size,color,y\n1,red,a\n3,blue,b\n?,red,a\n")
    table = read_table(tmp_path / "x.csv", "y")
    preprocessing = fit(table, np.array([0, 1]))
    pack(pack_table(table), tmp_path / "raw")
    pack(pack_table(table, preprocessing), tmp_path / "prepared")
    raw, prepared = open_store(tmp_path / "raw"), open_store(tmp_path / "prepared")
    np.testing.assert_array_equal(all_of(raw, "numbers"), table.numbers)
    np.testing.assert_array_equal(all_of(raw, "codes"), table.codes)
    assert raw.manifest.details["categories of color"] == ("blue", "red")
    np.testing.assert_array_equal(all_of(prepared, "features"), transform(preprocessing, table).features)
    np.testing.assert_array_equal(all_of(prepared, "target"), table.target)


def test_other_options_of_reading_are_another_store(tmp_path):
    (tmp_path / "x.csv").write_text("size,zip,y\n1,10,a\n3,20,b\n")
    pack(pack_table(read_table(tmp_path / "x.csv", "y")), tmp_path / "s")
    pack(pack_table(read_table(tmp_path / "x.csv", "y")), tmp_path / "s")
    with pytest.raises(BadInput, match="found the options"):
        pack(pack_table(read_table(tmp_path / "x.csv", "y", TableOptions(text=("zip",)))), tmp_path / "s")


def test_arrays_must_be_of_one_length(tmp_path):
    with pytest.raises(BadInput, match="arrays of one length to be packed; found {'x': 3, 'y': 2}"):
        pack_arrays({"x": np.zeros(3), "y": np.zeros(2)}, source="memory")
    with pytest.raises(BadInput, match="found none"):
        pack_arrays({}, source="memory")


def test_arrays_larger_than_a_chunk_are_packed_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("hasten.data.packing.pack_arrays._CHUNK_BYTES", 100)
    x = np.random.default_rng(0).random((50, 3))
    done = []
    pack(pack_arrays({"x": x}, source="memory"), tmp_path / "s", progress=lambda *pair: done.append(pair))
    np.testing.assert_array_equal(all_of(open_store(tmp_path / "s"), "x"), x)
    assert done[-1] == (50, 50)
    assert len(done) == 13
