"""The bytes and the text of a file, compressed or not, with an exact error for what cannot be read."""

from pathlib import Path

from hasten.base.errors import BadInput
from hasten.data.sources.decompression import DAMAGE, compression_of, read_decompressed

_SUFFIXES = (".gz", ".xz", ".bz2")
# The longer marks come first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, decompressed if it is gzip, xz or bzip2 (by its first bytes, not its name).

    Raises:
        BadInput: if the file is missing, unreadable, truncated or damaged, decompresses to more than memory may hold,
            or is named .gz, .xz or .bz2 and is not compressed.
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
    """Return the text of a file, decompressed if needed; see `decode_text`.

    Raises:
        BadInput: as `read_bytes` and `decode_text`.
    """
    return decode_text(read_bytes(path), str(path))


def decode_text(content: bytes, where: str) -> str:
    """Return bytes as text: UTF-8, or UTF-16 and UTF-32 where a byte-order mark or zero bytes show it.

    Args:
        content: the bytes of a text; a byte-order mark is dropped.
        where: their origin, for the error message.

    Raises:
        BadInput: if they are not text; the message gives the byte offset, the line and the byte.
    """
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise BadInput(
                f"{where} must be {encoding.upper()} text, as its first bytes say; found an error at byte offset "
                f"{error.start}: {error.reason}. Get the file again."
            ) from error
        # utf-8-sig counts offsets from behind the byte-order mark.
        offset = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        line = content.count(b"\n", 0, offset) + 1
        raise BadInput(
            f"{where} must be UTF-8 text; found the byte 0x{content[offset]:02x} at byte offset {offset} "
            f"(line {line}): {error.reason}. Convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8."
        ) from error


def _encoding(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    # Without a mark: in UTF-16, every other byte of mostly Latin text is zero; UTF-8 text has none.
    head = content[:1024]
    half = len(head) // 2
    if half and head[1::2].count(0) > 0.4 * half and not head[::2].count(0):
        return "utf-16-le"
    if half and head[::2].count(0) > 0.4 * half and not head[1::2].count(0):
        return "utf-16-be"
    return "utf-8-sig"


def _decompressed(path: Path, form: str) -> bytes:
    try:
        return read_decompressed(path)
    except (*DAMAGE, OSError) as error:
        raise BadInput(
            f"{path} must be a whole {form} file; found {path.stat().st_size} bytes that are truncated or damaged "
            f"({error}). Get the file again."
        ) from error
