"""Any source, ready to be packed."""

from hasten.data.packing.pack_arrays import pack_arrays, pack_table
from hasten.data.packing.pack_images import ImageForm, pack_images
from hasten.data.packing.pack_texts import pack_characters, pack_texts
from hasten.data.sources.class_folders import ClassFolders
from hasten.data.sources.on_error import OnBad
from hasten.data.sources.source import Arrays, Prose, Source
from hasten.data.sources.stored import StoredImages
from hasten.data.sources.texts import Texts
from hasten.data.store.pack import Packing
from hasten.data.tables.table import Table


def packing_of(
    source: Source, *, form: ImageForm = "pixels", size: int | None = None, on_bad: OnBad = "raise"
) -> Packing:
    """Return a source, ready for `hasten.data.store.pack.pack`.

    Args:
        source: what `read_source` returned.
        form: of images: decoded pixels, or the bytes of the files.
        size: of images packed as pixels: scale to squares of this side.
        on_bad: whether an image that cannot be decoded is an error or left out.
    """
    match source:
        case ClassFolders() | StoredImages():
            return pack_images(source, form=form, size=size, on_bad=on_bad)
        case Texts():
            return pack_texts(source)
        case Table():
            return pack_table(source)
        case Prose():
            return pack_characters(source.source, text=source.text)
        case Arrays():
            return pack_arrays(source.arrays, source=source.source)
