"""The bytes and the text of a file, compressed or not, with an exact error for what cannot be read."""

from pathlib import Path

from hasten.base.errors import BadInput
from hasten.data.sources.decompression import DAMAGE, compression_of, read_decompressed

_SUFFIXES = (".gz", ".xz", ".bz2")


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, decompressed where it is gzip, xz or bzip2 (by its first bytes, not its name).

    Raises:
        BadInput: if the file is missing, unreadable, cut off or damaged, named .gz, .xz or .bz2 and not compressed, or
            decompresses to more than memory may hold.
    """
    content = b""
    if path.exists() and not path.is_file():
        raise BadInput(f"{path} is not a regular file (a folder, FIFO or device). Pass a file.")
    try:
        with path.open("rb") as file:
            start = file.read(6)
            form = compression_of(start)
            if form is None:
                file.seek(0)
                content = file.read()
    except OSError as error:
        raise BadInput(f"{path} must be a readable file; found: {error.strerror}. Check the path.") from error
    if form is not None:
        return _decompressed(path, form)
    if path.suffix in _SUFFIXES:
        found = f"the first bytes {start.hex(' ')}" if start else "an empty file"
        raise BadInput(f"{path} must be compressed, as its name says; found {found}. Get the file again.")
    return content


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, decompressed where needed; a byte-order mark at its start is dropped.

    Raises:
        BadInput: as `read_bytes`, and where a byte is not UTF-8 (names the byte offset and the line).
    """
    content = read_bytes(path)
    return decode_utf8(content, str(path))


def decode_utf8(content: bytes, where: str) -> str:
    """Return `content` as text.

    Args:
        content: the bytes of a text.
        where: what they come from, for the error message.

    Raises:
        BadInput: if they are not UTF-8; the message gives the byte offset, the line and the byte.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts offsets from behind the byte-order mark.
        offset = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        line = content.count(b"\n", 0, offset) + 1
        raise BadInput(
            f"{where} must be UTF-8 text; found the byte 0x{content[offset]:02x} at byte offset {offset} "
            f"(line {line}): {error.reason}. Convert it: iconv -f LATIN1 -t UTF-8."
        ) from error


def _decompressed(path: Path, form: str) -> bytes:
    try:
        return read_decompressed(path)
    except (*DAMAGE, OSError) as error:
        raise BadInput(
            f"{path} must be a whole {form} file; found {path.stat().st_size} bytes that are cut off or damaged "
            f"({error}). Get the file again."
        ) from error
