import json
import mmap
import os
import pickle

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hasten.base.errors import BadInput
from hasten.data.datasets import Windows
from hasten.data.packing.pack_arrays import pack_arrays
from hasten.data.store.manifest import Layout, read_manifest, write_manifest
from hasten.data.store.pack import Chunk, Packing, pack
from hasten.data.store.reader import StoreSamples, open_store, sound_samples
from hasten.data.store.verify import verify
from hasten.data.store.windows import StoreWindows
from hasten.data.store.writer import ColumnSchema, StoreWriter

SAMPLES = 60


def column_values(seed=0):
    random = np.random.default_rng(seed)
    return {
        "x": random.integers(0, 256, (SAMPLES, 3, 5), np.uint8),
        "label": random.integers(0, 9, SAMPLES),
        "text": [random.integers(0, 256, length, np.uint8) for length in random.integers(0, 30, SAMPLES)],
        "tokens": random.integers(0, 70, 500).astype(np.uint16),
    }


def packing_of(values, source, step=7, stop_at=None):
    """All layouts in one store; an error after `stop_at` items, as of a process that dies."""

    def chunks(position):
        for start in range(position, SAMPLES, step):
            if stop_at is not None and start >= stop_at:
                raise KeyboardInterrupt
            part = slice(start, min(start + step, SAMPLES))
            columns = {name: values[name][part] for name in ("x", "label", "text")}
            share = len(values["tokens"]) // SAMPLES
            end = None if part.stop == SAMPLES else part.stop * share
            yield Chunk(part.stop, columns | {"tokens": values["tokens"][part.start * share : end]})

    return Packing(
        kind="test",
        source=source,
        columns=(
            ColumnSchema(name="x", layout=Layout.FIXED, dtype="|u1", shape=(3, 5)),
            ColumnSchema(name="label", layout=Layout.FIXED, dtype="<i8"),
            ColumnSchema(name="text", layout=Layout.VARIABLE, dtype="|u1"),
            ColumnSchema(name="tokens", layout=Layout.STREAM, dtype="<u2"),
        ),
        num_items=SAMPLES,
        chunks=chunks,
        classes=("a", "b"),
    )


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(b"what it is made from")
    return path


@pytest.fixture
def folder(tmp_path, source):
    pack(packing_of(column_values(), source), tmp_path / "store", block_bytes=64)
    return tmp_path / "store"


def everything(store):
    """All that a model could see of the store."""
    ids = torch.arange(len(store))
    tokens = store.stream("tokens")
    return {
        "x": store.take("x", ids).numpy(),
        "label": store.take("label", ids).numpy(),
        "text": [item.copy() for item in store.items("text", ids)],
        "tokens": tokens.span(0, len(tokens)).copy(),
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert all(np.array_equal(a, b) for a, b in zip(found[name], values, strict=True))


def test_what_was_packed_comes_back(folder):
    assert_same(everything(open_store(folder)), column_values())


def test_samples_come_in_any_order_each_by_one_gather(folder):
    store, values = open_store(folder), column_values()
    ids = torch.tensor([5, 0, 59, 5])
    np.testing.assert_array_equal(store.take("x", ids).numpy(), values["x"][ids.numpy()])
    rows, bounds = store.ragged("text", ids)
    for place, sample in enumerate(ids.tolist()):
        np.testing.assert_array_equal(rows[bounds[place] : bounds[place + 1]].numpy(), values["text"][sample])
    assert store.lengths("text").tolist() == [len(text) for text in values["text"]]
    empty, none = store.ragged("text", torch.tensor([], dtype=torch.int64))
    assert (len(empty), none.tolist()) == (0, [0])


def test_a_store_is_plain_numpy_files(folder):
    np.testing.assert_array_equal(np.load(folder / "x.npy", mmap_mode="r"), column_values()["x"])
    np.testing.assert_array_equal(np.load(folder / "tokens.npy"), column_values()["tokens"])
    ends = np.cumsum([len(text) for text in column_values()["text"]])
    np.testing.assert_array_equal(np.load(folder / "text.offsets.npy"), [0, *ends])
    assert sorted(path.name for path in folder.iterdir()) == [
        "label.npy",
        "manifest.json",
        "text.npy",
        "text.offsets.npy",
        "tokens.npy",
        "x.npy",
    ]


def test_samples_and_windows_are_data_sets(folder):
    store, values = open_store(folder), column_values()
    samples = StoreSamples(store, ("x", "label"), ids=torch.tensor([3, 1, 2]))
    x, y = samples.take(torch.tensor([0, 2]))
    np.testing.assert_array_equal(x.numpy(), values["x"][[3, 2]])
    assert (y.tolist(), len(samples)) == (values["label"][[3, 2]].tolist(), 3)
    assert torch.equal(samples[1][0], torch.from_numpy(values["x"][1]))
    for start, stop in ((0, None), (7, 400)):
        windows = StoreWindows(store.stream("tokens"), 9, start, stop)
        twin = Windows(torch.from_numpy(values["tokens"][start:stop].astype(np.int64)), 9)
        assert len(windows) == len(twin)
        for found, expected in zip(
            windows.take(torch.arange(len(twin))), twin.take(torch.arange(len(twin))), strict=True
        ):
            assert torch.equal(found, expected)
        assert torch.equal(windows[4][1], twin[4][1])


def test_changing_a_sample_in_place_leaves_the_file_alone(folder):
    store = open_store(folder)
    store.items("text", torch.tensor([1]))[0][:] = 0
    store.stream("tokens").span(0, 5)[:] = 0
    assert_same(everything(open_store(folder)), column_values())


@settings(max_examples=25, deadline=None)
@given(
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6).flatmap(
        lambda shape: st.fixed_dictionaries(
            {
                "a": hnp.arrays(st.sampled_from([np.uint8, np.int16, np.float32, np.bool_]), shape),
                "b": hnp.arrays(np.float64, shape[:1]),
            }
        )
    ),
    st.integers(1, 40),
)
def test_any_arrays_come_back_bit_for_bit(tmp_path_factory, arrays, block_bytes):
    folder = tmp_path_factory.mktemp("store") / "s"
    pack(pack_arrays(arrays, source="drawn"), folder, block_bytes=block_bytes)
    store = open_store(folder)
    for name, array in arrays.items():
        found = store.take(name, torch.arange(len(array))).numpy()
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert verify(folder).damage == ()


def test_asking_for_what_is_not_there_is_an_error(folder):
    store = open_store(folder)
    with pytest.raises(BadInput, match="unknown column 'y'"):
        store.take("y", torch.tensor([0]))
    with pytest.raises(BadInput, match="column 'text' must be fixed; found variable"):
        store.take("text", torch.tensor([0]))
    with pytest.raises(BadInput, match="unknown split 'train'"):
        store.split("train")
    with pytest.raises(IndexError, match="from 0 to 59; found -1"):
        store.items("text", torch.tensor([-1]))
    with pytest.raises(BadInput, match=r"must be a packed store, .*Make one: hasten pack"):
        open_store(folder.parent)


def test_a_flipped_byte_is_named_exactly(folder):
    content = bytearray((folder / "x.npy").read_bytes())
    content[128 + 3 * 64 + 5] ^= 1
    (folder / "x.npy").write_bytes(content)
    store = open_store(folder)
    store.take("x", torch.tensor([0, 1, 59]))
    with pytest.raises(
        BadInput,
        match=r"x.npy, block 3, bytes 320 to 383 \(samples 12 to 17\): expected the checksum [0-9a-f]{8}; found "
        r"[0-9a-f]{8}, so the file is damaged. hasten verify .*store lists all damage. Pack it again: hasten pack",
    ):
        store.take("x", torch.tensor([30, 15]))
    (damage,) = verify(folder).damage
    assert (damage.file, damage.block, damage.byte_range, damage.samples) == ("x.npy", 3, (320, 384), (12, 18))


def test_damage_in_texts_names_the_texts(folder):
    content = bytearray((folder / "text.npy").read_bytes())
    content[128 + 100] ^= 1
    (folder / "text.npy").write_bytes(content)
    ends = np.cumsum([len(text) for text in column_values()["text"]])
    touched = [
        i
        for i, end in enumerate(ends)
        if end > 64 and end - len(column_values()["text"][i]) < 128 and len(column_values()["text"][i])
    ]
    (damage,) = verify(folder).damage
    assert damage.samples is not None
    assert (damage.samples[0], damage.samples[1]) == (touched[0], touched[-1] + 1)
    sound = sound_samples(folder, verify(folder))
    assert sound.tolist() == [i for i in range(SAMPLES) if not touched[0] <= i <= touched[-1]]
    open_store(folder).items("text", sound)


def files_of(folder):
    return sorted(folder.iterdir())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_flip_and_cut_is_found_before_a_sample_leaves(damaged_copy, data):
    folder, whole = damaged_copy
    name = data.draw(st.sampled_from(sorted(whole)))
    content = bytearray(whole[name])
    place = data.draw(st.integers(0, len(content) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "longer"]))
    if how == "flip":
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "cut":
        del content[place:]
    else:
        content += b"\0"
    (folder / name).write_bytes(content)
    try:
        with pytest.raises(BadInput, match=name):
            everything(open_store(folder))
        if name != "manifest.json":
            assert {damage.file for damage in verify(folder).damage} == {name}
    finally:
        (folder / name).write_bytes(whole[name])


@pytest.fixture(scope="module")
def damaged_copy(tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged")
    (path / "source").write_text("x")
    pack(packing_of(column_values(), path / "source"), path / "s", block_bytes=64)
    return path / "s", {file.name: file.read_bytes() for file in (path / "s").iterdir()}


def test_a_damaged_store_is_packed_again_with_replace(folder, source):
    (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:-1] + b"?")
    pack(packing_of(column_values(), source), folder, block_bytes=64)  # the same store is there: nothing to do
    assert len(verify(folder).damage) == 1
    pack(packing_of(column_values(), source), folder, block_bytes=64, replace=True)
    assert verify(folder).damage == ()
    content = bytearray((folder / "manifest.json").read_bytes())
    content[5] ^= 1
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(BadInput, match="the manifest must have the checksum none"):
        pack(packing_of(column_values(), source), folder)
    pack(packing_of(column_values(), source), folder, replace=True)
    assert_same(everything(open_store(folder)), column_values())


def test_a_store_goes_to_another_process_as_its_path(folder):
    content = pickle.dumps(open_store(folder))
    assert len(content) < 5000
    assert_same(everything(pickle.loads(content)), column_values())


@pytest.mark.slow
def test_each_single_byte_of_a_store_is_covered(damaged_copy):
    folder, whole = damaged_copy
    for name, content in whole.items():
        for place in range(len(content)):
            damaged = bytearray(content)
            damaged[place] ^= 1 << place % 8
            (folder / name).write_bytes(damaged)
            with pytest.raises(BadInput, match=name):
                everything(open_store(folder))
        (folder / name).write_bytes(content)


def test_a_missing_file_is_named(folder):
    (folder / "label.npy").unlink()
    with pytest.raises(
        BadInput, match=r"label.npy, bytes 0 to 607 \(samples 0 to 59\): expected 608 bytes; found no file"
    ):
        open_store(folder)
    with pytest.raises(BadInput, match=r"label.npy"):
        sound_samples(folder, verify(folder))


def test_a_store_of_another_version_is_refused(folder):
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), schema_version=99))
    with pytest.raises(
        BadInput, match=r"schema version 1; found 99, written by another version of hasten. Pack it again"
    ):
        open_store(folder)


def test_a_store_whose_source_changed_is_refused(folder, source):
    open_store(folder, source=source)
    os.utime(source)  # touched, not changed
    open_store(folder, source=source)
    source.write_bytes(b"what it WAS made from")
    with pytest.raises(BadInput, match=r"as it is now; found 1 file of 21 bytes, packed were 1 of 20 bytes"):
        open_store(folder, source=source)
    source.write_bytes(b"what it is mAde from")
    with pytest.raises(BadInput, match=r"found other bytes in files of the same sizes. Pack it again"):
        open_store(folder, source=source)


def test_packing_again_finds_it_done_or_asks(folder, source):
    before = (folder / "manifest.json").stat().st_mtime_ns
    assert pack(packing_of(column_values(1), source), folder, block_bytes=64) == read_manifest(folder)
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    source.write_bytes(b"another source")
    with pytest.raises(
        BadInput, match=r"must be free or hold this source .*at another time. Pack it again: .* --replace"
    ):
        pack(packing_of(column_values(1), source), folder)
    assert_same(everything(open_store(folder)), column_values())
    pack(packing_of(column_values(1), source), folder, replace=True)
    assert_same(everything(open_store(folder)), column_values(1))
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith("store")] == ["store"]


def test_a_folder_that_is_no_store_is_never_replaced(tmp_path, source):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="must be a packed store"):
        pack(packing_of(column_values(), source), tmp_path / "mine", replace=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_packing_goes_on_where_it_was_interrupted(tmp_path, source, monkeypatch):
    monkeypatch.setattr("hasten.data.store.writer._NOTE_EVERY_BYTES", 200)
    whole = tmp_path / "whole"
    pack(packing_of(column_values(), source), whole, block_bytes=64)
    starts = []
    for stop_at in (14, 15, 35, 56):
        with pytest.raises(KeyboardInterrupt):
            pack(packing_of(column_values(), source, stop_at=stop_at), tmp_path / "s", block_bytes=64)
        assert not (tmp_path / "s").exists()
        with pytest.raises(BadInput, match="must be a packed store"):
            open_store(tmp_path / "s.partial")
        starts.append(json.loads((tmp_path / "s.partial" / "progress.json").read_text())["position"])
    assert starts == sorted(starts)
    assert starts[-1] > starts[0] > 0
    pack(packing_of(column_values(), source), tmp_path / "s", block_bytes=64)
    for file in whole.iterdir():
        assert file.read_bytes() == (tmp_path / "s" / file.name).read_bytes()


def test_what_another_source_left_behind_is_overwritten(tmp_path, source, monkeypatch):
    monkeypatch.setattr("hasten.data.store.writer._NOTE_EVERY_BYTES", 200)
    with pytest.raises(KeyboardInterrupt):
        pack(packing_of(column_values(1), source, stop_at=35), tmp_path / "s")
    source.write_bytes(b"changed")
    pack(packing_of(column_values(), source), tmp_path / "s")
    assert_same(everything(open_store(tmp_path / "s")), column_values())
    with pytest.raises(KeyboardInterrupt):
        pack(packing_of(column_values(1), source, stop_at=35), tmp_path / "t")
    pack(pack_arrays({"y": np.arange(3)}, source="drawn"), tmp_path / "t")
    assert sorted(file.name for file in (tmp_path / "t").iterdir()) == ["manifest.json", "y.npy"]


def tree(folder):
    """Every file below a folder with its bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("replace", [False, True])
def test_packing_leaves_folders_of_similar_names_alone(tmp_path, source, folder, replace):
    for name in ("store.old", "store.replaced", "store.partial.old", ".store.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.npy").write_text("mine")
    before = {path: content for path, content in tree(tmp_path).items() if path.parts[0] not in ("store", "source.bin")}
    source.write_bytes(b"another source" if replace else source.read_bytes())
    pack(packing_of(column_values(1), source), folder, replace=replace)
    assert before.items() <= tree(tmp_path).items()
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("name", ["thesis.txt", "x.npy", "lock", "manifest.json", "progress.json", "sub/x.npy"])
def test_files_in_the_partial_folder_that_are_not_ours_are_kept(tmp_path, source, name):
    (tmp_path / "s.partial" / name).parent.mkdir(parents=True)
    (tmp_path / "s.partial" / name).write_text("years of work")
    before = tree(tmp_path)
    with pytest.raises(
        BadInput, match=r"s.partial contains '.*', not written by hasten pack; nothing was changed. Move"
    ):
        pack(packing_of(column_values(), source), tmp_path / "s")
    assert {path: content for path, content in tree(tmp_path).items() if content} == before


@pytest.mark.parametrize("place", ["s", "s.partial"])
def test_a_file_that_was_added_is_never_deleted(tmp_path, source, place, monkeypatch):
    monkeypatch.setattr("hasten.data.store.writer._NOTE_EVERY_BYTES", 200)
    with pytest.raises(KeyboardInterrupt):
        pack(packing_of(column_values(1), source, stop_at=35), tmp_path / "s")
    if place == "s":
        pack(packing_of(column_values(1), source), tmp_path / "s")
    (tmp_path / place / "notes.txt").write_text("which photos are whose")
    source.write_bytes(b"changed")
    with pytest.raises(BadInput, match=r"contains 'notes.txt', not written by hasten pack"):
        pack(packing_of(column_values(), source), tmp_path / "s", replace=True)
    assert (tmp_path / place / "notes.txt").read_text() == "which photos are whose"
    (tmp_path / place / "notes.txt").unlink()
    pack(packing_of(column_values(), source), tmp_path / "s", replace=True)
    assert_same(everything(open_store(tmp_path / "s")), column_values())


def test_a_folder_with_a_manifest_of_another_program_is_never_replaced(tmp_path, source):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "manifest.json").write_text('{"name": "app", "icons": [{"file": "icon.npy"}]}')
    (tmp_path / "app" / "icon.npy").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(BadInput, match="manifest"):
        pack(packing_of(column_values(), source), tmp_path / "app", replace=True)
    assert tree(tmp_path) == before


def test_a_link_to_a_store_stays_a_link_when_the_store_is_replaced(tmp_path, source, folder):
    (tmp_path / "elsewhere").mkdir()
    folder.rename(tmp_path / "elsewhere" / "real")
    folder.symlink_to(tmp_path / "elsewhere" / "real")
    source.write_bytes(b"another source")
    pack(packing_of(column_values(1), source), folder, replace=True)
    assert folder.is_symlink()
    assert_same(everything(open_store(tmp_path / "elsewhere" / "real")), column_values(1))


def test_a_store_inside_its_own_source_is_refused(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_text("a")
    with pytest.raises(BadInput, match="is inside .*source, which would change while it is packed"):
        pack(packing_of(column_values(), tmp_path / "source"), tmp_path / "source" / "store")


@pytest.mark.parametrize("tail", [1, 2, 63, 64])
def test_each_byte_of_the_last_block_is_checked(tmp_path, tail):
    """By the reader, by `verify`, and by a gather that touches the last row alone."""
    values = np.random.default_rng(0).integers(0, 256, 128 + tail, np.uint8)
    pack(pack_arrays({"x": values}, source="drawn"), tmp_path / "s", block_bytes=64)
    whole = (tmp_path / "s" / "x.npy").read_bytes()
    for place in range(len(whole) - tail, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 16
        (tmp_path / "s" / "x.npy").write_bytes(damaged)
        with pytest.raises(BadInput, match=r"x.npy, block 2, bytes 256 to"):
            open_store(tmp_path / "s").take("x", torch.tensor([len(values) - 1]))
        assert [damage.block for damage in verify(tmp_path / "s").damage] == [2]


def test_two_processes_cannot_pack_the_same_store(tmp_path, source):
    packing = packing_of(column_values(), source)
    with StoreWriter(tmp_path / "s", packing.columns, "key"):
        with pytest.raises(BadInput, match=r"another process is packing .*s. Wait"):
            pack(packing, tmp_path / "s")
    pack(packing, tmp_path / "s")


def test_a_source_that_changes_while_it_is_packed_is_refused(tmp_path, source):
    packing = packing_of(column_values(), source)
    with pytest.raises(BadInput, match="must not change while it is packed; found 1 file of 3 bytes"):
        pack(packing, tmp_path / "s", progress=lambda done, total: source.write_bytes(b"new") and None)
    assert not (tmp_path / "s").exists()


def test_blocks_to_check_are_asked_for_ahead_in_whole_pages_of_the_file(tmp_path, monkeypatch):
    """Files larger than some pages, blocks that start within a page, and a last block that is not full."""
    asked = []

    class Watched(mmap.mmap):
        def madvise(self, option, start, length):
            asked.append((start, length, len(self)))
            super().madvise(option, start, length)

    values = np.random.default_rng(0).integers(0, 256, (1000, 41), np.uint8)
    pack(pack_arrays({"x": values}, source="drawn"), tmp_path / "s", block_bytes=6000)
    monkeypatch.setattr("hasten.data.store.blocks.mmap.mmap", Watched)
    found = open_store(tmp_path / "s").take("x", torch.arange(1000))
    np.testing.assert_array_equal(found.numpy(), values)
    assert len(asked) == len(read_manifest(tmp_path / "s").columns[0].array.crc32)
    assert all(start % mmap.PAGESIZE == 0 and start + length <= size for start, length, size in asked)
