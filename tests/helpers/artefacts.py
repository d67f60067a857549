"""Artefact folders that are changed by hand, with digests that fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdbuild.runtime.artefact import MANIFEST, VOCABULARY, file_entry, write_manifest


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the manifest and make its digest fit; the folder again."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    write_manifest(folder, json.dumps(manifest).encode())
    return folder


def edit_file(folder: Path, name: str, content: bytes) -> Path:
    """Write a file and what the manifest says of it; the folder again."""
    (folder / name).write_bytes(content)
    entry = file_entry(content)

    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = entry
        if name == VOCABULARY:
            manifest["tokenizer"]["sha256"] = entry["sha256"]

    return edit_manifest(folder, change)


def flip(path: Path) -> None:
    """Turn a bit over."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
