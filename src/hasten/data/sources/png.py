"""The checksums of a PNG file, which decoders do not all compare."""

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_damage(content: bytes) -> str | None:
    """Return what is wrong with the bytes of a PNG file, or None if it is whole or of another kind.

    Every chunk ends in a CRC-32 of its type and data, and the last one is IEND (ISO/IEC 15948, 5.3).
    """
    if not content.startswith(_SIGNATURE):
        return None
    start = len(_SIGNATURE)
    while start + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, start)
        end = start + 12 + size
        if end > len(content):
            break
        (expected,) = struct.unpack_from(">I", content, end - 4)
        found = zlib.crc32(content[start + 4 : end - 4])
        if found != expected:
            return f"bytes {start} to {end} have the checksum {found:08x} where {expected:08x} is written"
        if content[start + 4 : start + 8] == b"IEND":
            return None
        start = end
    return f"it is cut off behind byte {start}"
