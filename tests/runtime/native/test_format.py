"""docs/native-format.md says what the writer writes and the engine reads."""

import re
import shutil
import struct
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from kdbuild.export.formats.native import layout
from kdbuild.runtime.native.build import SOURCES
from kdbuild.runtime.text.encoding import VERSIONS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "native-format.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| (.+?) \| `(\w+)` \| .* \| (.*?) ?\|$", flags=re.MULTILINE)
HEADER = {name: (int(offset), kind, allowed) for offset, kind, name, allowed in ROW.findall(PAGE)}
SIZES = {"u8": 1, "u32": 4, "u64": 8, "f64": 8, "(u64, u64)": 16}


def size_of(kind: str) -> int:
    one, _, many = kind.partition(" × ")
    return SIZES[one] * int(many or 1)


def c_constant(name: str, file: str = "model.h") -> int:
    text = (SOURCES / file).read_text(encoding="utf-8")
    found = re.search(rf"\b{name}(?: =)? (0x[0-9A-F]+|\d+)(?: << (\d+))?u?\b", text)
    assert found, name
    return int(found[1], 0) << int(found[2] or 0)


def test_header_has_no_gaps() -> None:
    end = 0
    for name, (offset, kind, _) in HEADER.items():
        assert offset == end, name
        end += size_of(kind)
    assert end == layout.HEADER == c_constant("KDB_HEADER")


def test_header_is_what_c_has(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    lines = "".join(f'printf("%zu ", offsetof(kdb_header, {name}));' for name in HEADER)
    source = tmp_path / "offsets.c"
    source.write_text(
        f'#include <stdio.h>\n#include "model.h"\nint main(void) {{ {lines} return 0; }}\n', encoding="utf-8"
    )
    program = tmp_path / "offsets"
    subprocess.run([compiler, f"-I{SOURCES}", source, "-o", program], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    assert [int(offset) for offset in printed.split()] == [offset for offset, _, _ in HEADER.values()]


def test_header_is_what_is_written() -> None:
    names = [field.name for field in fields(layout.Header)]
    values = {
        name: float(number) if name in ("temperature", "threshold") else number for number, name in enumerate(names, 7)
    }
    sections = layout.Sections({0: b"labels", 15: b"the last layer"})
    file = layout.pack(layout.Header(**values), sections)  # type: ignore[arg-type]  # every field has a number

    def read(name: str, code: str) -> int | float:
        (value,) = struct.unpack_from(code, file, HEADER[name][0])
        return value  # type: ignore[no-any-return]  # a number

    codes = {"u32": "<I", "u64": "<Q", "f64": "<d"}
    assert {name: read(name, codes[HEADER[name][1]]) for name in names} == values
    assert (read("format", "<I"), read("arithmetic", "<I"), read("reserved", "<I")) == (2, 1, 0)
    assert read("file_size", "<Q") == len(file) == 512 + 2 * 64 + 128
    table = struct.unpack_from("<32Q", file, HEADER["sections"][0])
    assert table == (512, 6, *[0] * 28, 576, 14)
    digest = HEADER["content_digest"][0]
    assert file[HEADER["version"][0] :][:8] == file[digest : digest + 8]
    magic = bytes.fromhex(PAGE.split("`magic` | `")[1].split("`")[0])
    assert file[:8] == magic == layout.MAGIC


LIMITS = {
    "vocabulary": (3, c_constant("KDB_MOST_VOCABULARY")),
    "embedding": (1, c_constant("KDB_MOST_COLUMNS") // 8),
    "hidden": (1, c_constant("KDB_MOST_COLUMNS") // 8 - 3),
    "layers": (1, c_constant("KDB_MOST_LAYERS")),
    "classifier": (1, c_constant("KDB_MOST_COLUMNS")),
    "classes": (2, c_constant("KDB_MOST_COLUMNS")),
    "max_tokens": (1, c_constant("KDB_MOST_TOKENS")),
    "index_bits": (0, c_constant("KDB_MOST_INDEX_BITS")),
    "golden": (0, c_constant("KDB_MOST_GOLDEN")),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str) -> None:
    assert HEADER[name][2] == "{} to {}".format(*LIMITS[name])


def test_versions() -> None:
    assert (HEADER["format"][2], HEADER["arithmetic"][2]) == ("1 to 2", "1")
    assert c_constant("KDB_FORMAT_VERSION") == layout.FORMAT_VERSION == 2
    assert HEADER["tokenizer"][2] == "{} to {}".format(
        c_constant("KDB_WORDS", "text.h"), c_constant("KDB_PIECES", "text.h")
    )
    assert (c_constant("KDB_WORDS", "text.h"), c_constant("KDB_PIECES", "text.h")) == (VERSIONS[0], VERSIONS[-1])
    assert f"`0x{c_constant('KDB_UNICODE_VERSION', 'text.h'):06X}`" in HEADER["unicode"][2]


@pytest.mark.parametrize(
    ("file", "function", "count"),
    [("path.h", "void tanh_parts", 7), ("path.h", "vf gates", 1), ("probability.c", "double exponential", 4)],
)
def test_constants_of_the_arithmetic(file: str, function: str, count: int) -> None:
    body = (SOURCES / file).read_text(encoding="utf-8").split(function)[1].split("\n}\n")[0]
    body = body.replace(str(2.0**-60), "2^-60")  # as it is on the page
    constants = set(re.findall(r"\d+\.\d{3,}(?:e-\d+)?|\d{8,}(?=\.0[^,}])", body))
    assert len(constants) == count
    page = PAGE.split("## Arithmetic")[1]
    assert {constant for constant in constants if constant not in page} == set()
