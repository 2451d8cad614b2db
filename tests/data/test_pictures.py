import contextlib
import dataclasses
import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.sources import pictures
from hasten.data.sources.class_folders import find_class_folders
from hasten.data.sources.pictures import IMAGE_SUFFIXES, decode_image, read_pictures

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def picture(height=6, width=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(pixels, form="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    for place, name in enumerate(["cat/1.png", "cat/2.png", "dog/1.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(picture(seed=place)))
    return tmp_path


def test_a_png_comes_back_as_it_was():
    np.testing.assert_array_equal(decode_image(encoded(picture()), "x"), picture())
    gray = picture()[:, :, 0]
    np.testing.assert_array_equal(decode_image(encoded(gray), "x", channels=1), gray[:, :, None])
    assert decode_image(encoded(gray), "x").shape == (6, 5, 3)


def test_a_size_scales_and_keeps_the_square_in_the_center():
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 20:60] = 200
    small = decode_image(encoded(pixels), "x", size=10)
    assert small.shape == (10, 10, 3)
    assert (small[:, 1:-1] == 200).all()


def test_all_images_of_a_folder_become_one_array(folder):
    found = read_pictures(find_class_folders(folder, IMAGE_SUFFIXES))
    np.testing.assert_array_equal(found.pixels, np.stack([picture(seed=place) for place in range(3)]))
    assert (found.labels.tolist(), found.classes) == ([0, 0, 1], ("cat", "dog"))


@pytest.mark.parametrize("content", [b"", b"GIF89a", encoded(picture())[:-20], encoded(picture(40, 40), "JPEG")[:-90]])
def test_an_image_that_does_not_decode_is_named_or_left_out(folder, content):
    (folder / "cat/2.png").write_bytes(content)
    found = find_class_folders(folder, IMAGE_SUFFIXES)
    with pytest.raises(BadInput, match=rf"cat/2.png must be an image that can be decoded; found {len(content)} bytes"):
        read_pictures(found)
    kept = read_pictures(found, on_bad="skip")
    assert kept.pixels.shape == (2, 6, 5, 3)
    assert (kept.ids.tolist(), kept.labels.tolist(), len(kept.skipped)) == ([0, 2], [0, 1], 1)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_flipped_byte_and_cut_of_a_png_is_found(data):
    content = bytearray(encoded(picture(9, 9)))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    with pytest.raises(BadInput, match="x must be an image that can be decoded"):
        decode_image(bytes(content), "x")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_jpeg_is_our_error_or_an_image(data):
    content = bytearray(encoded(picture(9, 9), "JPEG"))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(BadInput):
        assert decode_image(bytes(content), "x").ndim == 3


def test_images_of_several_sizes_need_a_size(folder):
    (folder / "dog/1.png").write_bytes(encoded(picture(7, 9)))
    found = find_class_folders(folder, IMAGE_SUFFIXES)
    with pytest.raises(BadInput, match=r"found 5 x 6 in cat/1.png and 9 x 7 in dog/1.png. Give a size"):
        read_pictures(found)
    assert read_pictures(found, size=4).pixels.shape == (3, 4, 4, 3)


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(BadInput, match=r"images need pillow, which is not installed.*pip install 'hasten\[data\]'"):
        decode_image(encoded(picture()), "x")


@pytest.mark.slow
def test_trashnet_is_read(shared_data):
    found = find_class_folders(shared_data / "trashnet_150", IMAGE_SUFFIXES)
    assert np.bincount(found.labels).tolist() == [403, 501, 410, 594, 482, 137]
    whole = read_pictures(found)
    assert whole.pixels.shape == (2527, 150, 150, 3)


@pytest.mark.skipif(pictures._SIMPLEJPEG is None, reason="simplejpeg is not installed")
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 5}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_has_the_same_pixels_with_and_without_simplejpeg(monkeypatch, options, mode):
    smooth = np.asarray(Image.fromarray(picture(5, 4)).resize((61, 43)))
    buffer = io.BytesIO()
    Image.fromarray(smooth).convert(mode).save(buffer, "JPEG", **options)
    content = buffer.getvalue()
    quick = [decode_image(content, "x"), decode_image(content, "x", size=20), decode_image(content, "x", channels=1)]
    assert (pictures._quick_jpeg(content, Image) is not None) == (mode != "CMYK")
    monkeypatch.setattr(pictures, "_SIMPLEJPEG", None)
    slow = [decode_image(content, "x"), decode_image(content, "x", size=20), decode_image(content, "x", channels=1)]
    for one, other in zip(quick, slow, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(pictures._SIMPLEJPEG is None, reason="simplejpeg is not installed")
def test_every_photo_has_the_same_pixels_with_and_without_simplejpeg(shared_data, monkeypatch):
    photos = find_class_folders(shared_data / "trashnet_150" / "trashnet_150.tar.gz", IMAGE_SUFFIXES)
    some = dataclasses.replace(photos, members=photos.members[::60], labels=photos.labels[::60])
    quick = read_pictures(some)
    monkeypatch.setattr(pictures, "_SIMPLEJPEG", None)
    np.testing.assert_array_equal(read_pictures(some).pixels, quick.pixels)


@pytest.mark.parametrize(
    ("mode", "form"), [("I;16", "PNG"), ("I;16B", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF"), ("I;16", "PPM")]
)
def test_sixteen_bits_are_scaled_to_eight(mode, form):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = Image.fromarray(ramp)
    if mode == "I;16B":
        image = Image.frombytes("I;16B", (256, 256), ramp.astype(">u2").tobytes())
    buffer = io.BytesIO()
    image.save(buffer, form)
    for channels in (1, 3):
        pixels = decode_image(buffer.getvalue(), "x", channels=channels)
        assert pixels.shape == (256, 256, channels)
        assert pixels.mean() == pytest.approx(127.5, abs=0.01)
        np.testing.assert_array_equal(pixels[:, :, 0], np.round(ramp / 65535 * 255))


def test_numbers_of_unknown_range_are_refused():
    for values in (np.full((2, 2), 0.5, np.float32), np.full((2, 2), 7, np.int32)):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "TIFF")
        with pytest.raises(BadInput, match="32 bits per value, of unknown range"):
            decode_image(buffer.getvalue(), "x")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_images_are_turned_as_their_exif_says(monkeypatch, orientation, form):
    """As Pillow's own `exif_transpose` turns them, with and without simplejpeg."""
    from PIL import ImageOps

    smooth = Image.fromarray(picture(3, 4)).resize((24, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    smooth.save(buffer, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    content = buffer.getvalue()
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))
    assert expected.shape[:2] == ((24, 16) if orientation >= 5 else (16, 24))
    for _ in range(2):
        np.testing.assert_array_equal(decode_image(content, "x"), expected)
        square = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("L").resize((8, 8))
        assert decode_image(content, "x", channels=1, size=8).shape == (*square.size, 1)
        monkeypatch.setattr(pictures, "_SIMPLEJPEG", None)


def test_damaged_exif_leaves_the_image_as_it_is_stored():
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = Image.fromarray(picture(3, 4)).resize((24, 16))
    buffer = io.BytesIO()
    smooth.save(buffer, "JPEG", exif=exif)
    content = buffer.getvalue().replace(b"Exif\0\0MM", b"Exif\0\0??").replace(b"Exif\0\0II", b"Exif\0\0??")
    assert decode_image(content, "x").shape == (16, 24, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGB", "CMYK"])
def test_every_mode_becomes_three_channels(mode):
    image = Image.fromarray(np.full((4, 5, 3), 200, np.uint8)).convert(mode if mode != "PA" else "P")
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, "TIFF" if mode in ("CMYK", "PA", "1") else "PNG")
    pixels = decode_image(buffer.getvalue(), "x")
    assert (pixels.shape, pixels.dtype) == ((4, 5, 3), np.uint8)
    assert (pixels[0, 0] >= 199).all()
