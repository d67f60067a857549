"""The bundle for browsers and node: an ES module with the engine and a model, and one page to try it, with all of it inside."""

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kdbuild.export.bundles.folder import Filled, write_text
from kdbuild.export.bundles.registry import Bundle
from kdbuild.files import check_replaceable, staged_folder
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.native.library import library_path
from kdbuild.sums import SUMS, listed_files, write_sums

FILES = Path(__file__).resolve().parent / "web_files"
"""What is written around the engine."""
MODULE, TYPES, PAGE, MODEL = "kdbuild.js", "kdbuild.d.ts", "index.html", "model_int8.kdb"
ENGINES = {"wasm-simd": "kdbuild-simd.wasm", "wasm": "kdbuild.wasm"}
"""The engine's targets with the names of their files."""


class Web(Bundle):
    """An ES module with types, both engines and the model, as an npm package; and the page."""

    def check(self, out: Path, **_: Any) -> None:
        """Refuse to replace anything but an earlier bundle with nothing else in it, and make sure that there is an engine."""
        check_replaceable(out, "a bundle for the web", lambda: listed_files(out, MODULE))
        for target in ENGINES:
            library_path(target)

    def write(self, artefact: Path, out: Path, **_: Any) -> list[Path]:
        """See :class:`~kdbuild.export.bundles.registry.Bundle`.

        Raises:
            BadInputError: the artefact is damaged, or ``out`` holds something else.
            MissingExtraError: the engine isn't there for WebAssembly, nor is a compiler.
        """
        self.check(out)
        opened = Artefact.open(artefact)
        with staged_folder(out, SUMS, lambda: self.check(out)) as aside:
            shutil.copyfile(opened.check(MODEL), aside / MODEL)
            for target, name in ENGINES.items():
                shutil.copyfile(library_path(target), aside / name)
            for name in (MODULE, TYPES):
                write_text(aside / name, _source(name))
            sizes = {name: f"{(aside / name).stat().st_size:,}" for name in (MODEL, *ENGINES.values())}
            labels = opened.manifest.labels
            fillings = {
                "labels": ", ".join(f"`{label}`" for label in labels),
                "text": "each text of a pair" if opened.manifest.pairs else "a text",
                "call": '"a text", "another text"' if opened.manifest.pairs else '"a text"',
                "max_tokens": f"{opened.manifest.max_tokens:,}",
                "model_bytes": sizes[MODEL],
                "simd_bytes": sizes[ENGINES["wasm-simd"]],
                "plain_bytes": sizes[ENGINES["wasm"]],
            }
            write_text(aside / "README.md", Filled(_source("README.md.in")).substitute(fillings))
            names = {"name": _package_name(labels), "labels": _in_json(", ".join(labels))}
            write_text(aside / "package.json", Filled(_source("package.json.in")).substitute(names))
            write_text(aside / PAGE, page(opened))
            written = write_sums(aside)
        return written

    def next_step(self, out: Path) -> str:
        """Point to the page."""
        return f"open {out / PAGE} in a browser"


def page(artefact: Artefact, examples: Sequence[str] = ()) -> str:
    """One page with engine, model and all that it needs inside; it opens from a file.

    What runs in it is named by digest in its Content-Security-Policy, which allows no request.

    Args:
        artefact: one with a native file.
        examples: texts to try at a click; the first is answered when the page opens.
    """
    style, script = _source("page.css"), _source("page.js")
    labels = artefact.manifest.labels
    title = f"Text classifier: {' or '.join(labels)}" if len(labels) < 5 else f"Text classifier of {len(labels)} labels"
    fillings = {
        "title": html.escape(title),
        "examples": "".join(f'<button type="button">{html.escape(text)}</button>' for text in examples),
        "style": style,
        "style_sha": _digest(style),
        "script": script,
        "script_sha": _digest(script),
        "worker": as_script(_source(MODULE)) + _source("worker.js"),
        "model": _base64(artefact.check(MODEL)),
        "wasm_simd": _base64(library_path("wasm-simd")),
        "wasm": _base64(library_path("wasm")),
    }
    return Filled(_source("page.html.in")).substitute(fillings)


def as_script(module: str) -> str:
    """Turn an ES module without imports into a script, whose names all see what it exports."""
    return re.sub(r"^export ", "", module, flags=re.MULTILINE).replace("import.meta.url", "self.location.href")


def _source(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _package_name(labels: Iterable[str]) -> str:
    """A name that npm takes: ``classifier-negative-positive``."""
    words = re.findall(r"[a-z0-9]+", " ".join(labels).lower())
    return "-".join(["classifier", *words])[:100]
