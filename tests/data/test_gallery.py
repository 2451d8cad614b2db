"""Every augmentation has its picture in the docs, and the picture is what it does."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from hasten.data.augmentation import color, images, mixing, rows, trivial
from hasten.data.augmentation.gallery import gallery, write

DOCS = Path(__file__).resolve().parents[2] / "docs"


def augmentations() -> set[str]:
    found = {
        name
        for module in (color, images, mixing, rows, trivial)
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and "__call__" in vars(kind)
    }
    return found - {"ChannelsFirst"}


def test_the_docs_show_every_augmentation_as_it_is(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write(tmp_path)
    names = {path.stem for path in tmp_path.iterdir()}
    assert {name.removesuffix("-rows") for name in names} == augmentations()
    assert names == {path.stem for path in (DOCS / "augmentation").iterdir()}
    page = (DOCS / "augmentation.md").read_text()
    for name in names:
        assert f"(augmentation/{name}.png)" in page
        mine, theirs = (
            np.asarray(pillow.open(folder / f"{name}.png").convert("RGB")).astype(int)
            for folder in (tmp_path, DOCS / "augmentation")
        )
        assert np.abs(mine - theirs).mean() < 2, f"make the picture of {name} again"


def test_a_picture_shows_the_sample_and_five_others() -> None:
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    shown = gallery()["Flip"].numpy()
    assert shown.shape == (56, 6 * 56 + 5 * 4, 3)
    parts = [shown[:, at * 60 : at * 60 + 56] for at in range(6)]
    assert all(np.array_equal(part, parts[0]) or np.array_equal(part, parts[0][:, ::-1]) for part in parts)
    assert len({part.tobytes() for part in parts}) == 2
