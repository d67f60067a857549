"""What is in a picture."""

import io
import struct
from pathlib import Path
from xml.etree import ElementTree


def texts(svg: io.BytesIO) -> list[str]:
    """All that stands in a picture."""
    return [
        "".join(element.itertext()).strip()
        for element in ElementTree.fromstring(svg.getvalue()).iter()
        if element.tag.endswith("}text")
    ]


def png_size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height
