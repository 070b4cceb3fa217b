"""Pictures of one colour whose opacity varies, as PNG (ISO/IEC 15948)."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WHITE = b"\xff\xff\xff" * 256
_LEVEL = 6


def encode_opacity(opacity: NDArray[np.uint8]) -> bytes:
    """A white picture with an opacity for each pixel; shape (rows, columns)."""
    rows, columns = opacity.shape
    lines = np.zeros((rows, columns + 1), np.uint8)
    # Each line begins with the number of its filter, 0 for none.
    lines[:, 1:] = opacity
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _WHITE),
        (b"tRNS", bytes(range(256))),
        (b"IDAT", zlib.compress(lines.tobytes(), _LEVEL)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
