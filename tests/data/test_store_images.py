"""Images kept as bytes are decoded to what decoding their files gives, by any number of threads."""

import numpy as np
import pytest
import torch

from hasten.data.loading.decode import in_threads
from hasten.data.loading.loaders import per_sample
from hasten.data.packing.pack_images import pack_images
from hasten.data.sources.class_folders import find_class_folders
from hasten.data.sources.pictures import IMAGE_SUFFIXES, read_pictures
from hasten.data.store.images import StoreImages
from hasten.data.store.pack import pack
from hasten.data.store.reader import open_store

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.mark.parametrize("size", [None, 5])
def test_samples_equal_the_decoded_files_and_batches_the_stacked_samples(tmp_path, size):
    for place in range(11):
        path = tmp_path / "photos" / "ab"[place % 2] / f"{place:02}.{('png', 'jpg')[place % 3 == 0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(place).integers(0, 256, (7, 6, 3), np.uint8)).save(path)
    folders = find_class_folders(tmp_path / "photos", IMAGE_SUFFIXES)
    pack(pack_images(folders, form="encoded"), tmp_path / "store")
    store = open_store(tmp_path / "store")
    expected = read_pictures(folders, size=size)
    images = StoreImages(store, size)
    assert len(images) == 11
    for index, (pixels, label) in enumerate(images[i] for i in range(11)):
        np.testing.assert_array_equal(pixels.numpy(), expected.pixels[index])
        assert label == expected.labels[index]
    part = StoreImages(store, size, torch.tensor([7, 2, 9, 4, 0]))
    ids = torch.tensor([4, 0, 3, 1])
    for (own, mine), (_, theirs) in zip(in_threads(part, 3, threads=2)(ids), per_sample(part, 3)(ids), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
        np.testing.assert_array_equal(mine[0].numpy(), expected.pixels[part.ids[own].numpy()])
