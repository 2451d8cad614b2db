"""The bytes and the text of a file, compressed or not, with an exact error for what cannot be read."""

import gzip
import lzma
import zlib
from pathlib import Path

from hasten.base.errors import BadInput

_GZIP_MAGIC = b"\x1f\x8b"
_XZ_MAGIC = b"\xfd7zXZ\x00"


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, decompressed where it is gzip or xz (told by its first bytes, not by its name).

    Raises:
        BadInput: if the file is missing, unreadable, cut off or damaged, or named .gz or .xz and neither.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} must be a readable file; found: {error.strerror}. Check the path.") from error
    if content.startswith(_GZIP_MAGIC):
        return _decompressed(path, content, "gzip")
    if content.startswith(_XZ_MAGIC):
        return _decompressed(path, content, "xz")
    if path.suffix in (".gz", ".xz"):
        found = f"the first bytes {content[:6].hex(' ')}" if content else "an empty file"
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


def _decompressed(path: Path, content: bytes, form: str) -> bytes:
    try:
        return gzip.decompress(content) if form == "gzip" else lzma.decompress(content)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise BadInput(
            f"{path} must be a whole {form} file; found {len(content)} bytes that are cut off or damaged ({error}). "
            "Get the file again."
        ) from error
