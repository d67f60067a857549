"""Writes what is computed in the README and the user guide: result tables, the reference of all options, file sizes.

    python tools/generate_docs.py

Each part stands between two comments in its page, so that the text around it is written by hand.
"""

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import kdbuild
from kdbuild.trainer.options import StudentOptions, TrainOptions
from kdbuild.trainer.recipe import read_recipe

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = "python tools/generate_docs.py"
_DEFAULT = "  [default: "
"""In a help text: what the default, an empty string, stands for."""
_KINDS = {int: "whole number", float: "number", str: "string"}
_WORDS = (5_000, 15_000, 30_000)
"""Sizes of the vocabulary in the table."""
_STUDENTS: dict[str, dict[str, Any]] = {
    "the default": {},
    "`--factor-size 64`": {"factor_size": 64},
    "`--channels two`": {"channels": "two"},
    "`--embedding-size 100 --hidden-size 150 --classifier-size 200`": {
        "embedding_size": 100,
        "hidden_size": 150,
        "classifier_size": 200,
    },
    "`--recipe small`": read_recipe("small").sections["student"],
    "`--embedding-size 32 --hidden-size 64 --classifier-size 64`": {
        "embedding_size": 32,
        "hidden_size": 64,
        "classifier_size": 64,
    },
}
"""Rows of the table, by the options that make them."""


def int8_bytes(student: StudentOptions, words: int, labels: int) -> int:
    """Bytes of the weights in an int8 file: a byte each, four for each row's scale and each bias, eight for a zero point.

    The graph around them takes about 10 kB more; ``test_docs.py`` compares with files.

    Args:
        student: its shape; of one layer, as the file has it.
        words: rows of the vocabulary.
        labels: number of classes.
    """
    stored = 2 * student.embedding_size if student.channels == "two" else student.factor_size or student.embedding_size
    hidden, classifier = student.hidden_size, student.classifier_size
    # Of the LSTM's 8 rows a unit, four gates in two directions: two matrices, each with scale, zero point and bias, and
    # the bias once more for the first step. (The embedding's rows have no zero point.)
    lstm = 8 * hidden * (stored + hidden + 2 * 16 + 4)
    return words * (stored + 4) + lstm + classifier * (2 * hidden + 16) + labels * (classifier + 16)


def sizes() -> str:
    """The table of file sizes, in MB, of two labels."""
    columns = ["student", *(f"{words:,} words" for words in _WORDS), "products a token"]
    rows = []
    for name, fields in _STUDENTS.items():
        student = StudentOptions(**fields)
        cells = [f"{int8_bytes(student, words, 2) / 1e6:.1f} MB" for words in _WORDS]
        stored = int8_bytes(student, 1, 2) - int8_bytes(student, 0, 2) - 4
        rows.append([name, *cells, f"{8 * student.hidden_size * (stored + student.hidden_size) / 1e6:.2f} M"])
    return _table(columns, rows, numbers=range(1, len(columns)))


def options() -> str:
    """A heading and a table a section; the teacher's training names its keys alone, whose meaning is the student's."""
    parts = []
    for section in dataclasses.fields(TrainOptions):
        group = getattr(TrainOptions(), section.name)
        hints = get_type_hints(type(group))
        title = (type(group).__doc__ or "").splitlines()[0].replace("``", "`")
        columns = ["key", "option", "value", "default", "meaning"]
        rows = [
            _row(group.flag(spec.name), spec, hints[spec.name], getattr(group, spec.name))
            for spec in dataclasses.fields(group)
        ]
        if section.name == "teacher_training":
            title = "The teacher's fine-tuning. The values and their meaning are those of [[training]](#training)."
            columns = ["key", "option", "default"]
            rows = [[row[0], row[1], row[3]] for row in rows]
        parts += [f"### [{section.name}]", title, _table(columns, rows)]
    return "\n\n".join(parts)


def _row(flag: str, spec: "dataclasses.Field[Any]", kind: Any, default: Any) -> list[str]:
    help, _, shown = spec.metadata["help"].partition(_DEFAULT)
    option = f"`{flag}`, `--no-{flag[2:]}`" if kind is bool else f"`{flag}`"
    shown = shown.removesuffix("]") or f"`{json.dumps(default)}`"
    return [f"`{spec.name}`", option, _values(spec, kind), shown, help.replace("|", "`\\|`")]


def _values(spec: "dataclasses.Field[Any]", kind: Any) -> str:
    """What an option can be."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return "list of strings"
    if kind is bool:
        return "`true`, `false`"
    low, high = spec.metadata["low"], spec.metadata["high"]
    if low is None:
        return _KINDS[kind]
    return f"{_KINDS[kind]}, {low:,} to {high:,}" if high is not None else f"{_KINDS[kind]}, at least {low:,}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    rule = ["---:" if place in set(numbers) else "---" for place in range(len(columns))]
    lines = [" | ".join(columns), "|".join(rule), *(" | ".join(row) for row in rows)]
    return "\n".join(f"|{line}|" if line.startswith("-") else f"| {line} |" for line in lines)


_QUICKSTART = {
    "BERT-large, random weights, torch": "BERT-large (random weights: true latency and size)",
    "teacher MiniLM-L6, torch": "teacher: MiniLM-L6, fine-tuned",
    "student without a teacher, torch": "student without a teacher: random vectors, hard labels",
    "student on hard labels, torch": "student on hard labels, the teacher's vectors",
    "student distilled, TFLite fp32": "student distilled, fp32 TFLite",
    "student distilled, TFLite int8": "student distilled, int8 TFLite",
    "student distilled, native int8": "**student distilled, int8, native engine**",
}
"""Rows of its table, and what the README calls them."""


def quickstart() -> str:
    """What ``make demo`` printed when its results were committed."""
    found = json.loads((RESULTS / "quickstart.json").read_text(encoding="utf-8"))
    columns = [
        f"`make demo`, movie reviews, {found['held_out']:,} held out",
        *("accuracy (95 % interval)", "size", "median latency", "against BERT-large"),
    ]
    rows = []
    for row in found["rows"]:
        cells = [
            _accuracy(row["accuracy"], row["interval"]),
            _megabytes(row["size_bytes"]),
            _milliseconds(row["median_ms"]),
            _times(row["speedup"]),
        ]
        name = _QUICKSTART[row["name"]]
        rows.append([name, *(f"**{cell}**" if name.startswith("**") else cell for cell in cells)])
    return _table(columns, rows)


def contenders() -> str:
    """The contenders' table, shortened."""
    found = json.loads((RESULTS / "contenders.json").read_text(encoding="utf-8"))
    columns = [
        f"SST-2, {found['texts']:,} rows of dev",
        *("accuracy (95 % interval)", "size", "median latency", "against BERT-large", "cold start", "peak memory"),
    ]
    rows = []
    for one in found["results"]:
        if one["status"] != "ok":
            continue
        cells = [
            _accuracy(one["accuracy"], one["interval"]),
            _megabytes(one["size_bytes"]),
            _milliseconds(one["latency"]["shared_median_ms"]),
            _times(one["speedup"]),
            f"{one['cold_start_seconds']:.2f} s",
            f"{one['peak_rss_bytes'] / 1e6:,.0f} MB",
        ]
        shipped = found["ship"] is not None and one["name"] == found["ship"]["name"]
        name = one["name"] if one["trained"] else f"{one['name']} *"
        rows.append([f"**{cell}**" if shipped and cell else cell for cell in (name, *cells)])
    return _table(columns, rows)


def _accuracy(share: float | None, interval: Sequence[float] | None) -> str:
    if share is None or interval is None:
        return ""
    return f"{100 * share:.1f} % ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.0f} ×" if ratio >= 10 or ratio == 1 else f"{ratio:.1f} ×"


def api() -> str:
    """A heading with the signature of each public function, and what its docstring says."""
    classifier = kdbuild.Classifier
    functions = [("kdbuild.", getattr(kdbuild, name)) for name in ("train", "open_run", "export_run")]
    functions.append(("kdbuild.Classifier.", classifier.load))
    functions += [("classify", classifier.__call__), ("classify.", classifier.explain)]
    functions.append(("kdbuild.", kdbuild.evaluate))
    return "\n\n".join(_described(owner, function) for owner, function in functions)


def _described(owner: str, function: Callable[..., Any]) -> str:
    name = f"{owner}{function.__name__}".replace("__call__", "")
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    signature = f"{name}{inspect.Signature(parameters)}"
    text = inspect.getdoc(function) or ""
    body, _, rest = text.partition("\n\nArgs:\n")
    arguments, _, errors = rest.partition("\n\nRaises:\n") if rest else ("", "", text.partition("\n\nRaises:\n")[2])
    parts = [f"### `{signature}`", body.partition("\n\nRaises:")[0].replace("``", "`")]
    for title, entries in (("", arguments), ("Raises, from `kdbuild.errors`:", errors)):
        if entries:
            parts += [title] if title else []
            # A line that continues an entry is indented further.
            joined = re.sub(r"\n {8,}", " ", inspect.cleandoc(f"\n{entries}").replace("\n    ", "\n" + 8 * " "))
            items = (line.partition(":") for line in joined.splitlines())
            parts.append("\n".join(f"* `{key}`:{meaning.replace('``', '`')}" for key, _, meaning in items))
    return "\n\n".join(parts)


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"quickstart": quickstart, "contenders": contenders},
    "docs/api.md": {"api": api},
    "docs/recipes.md": {"options": options},
    "docs/student.md": {"sizes": sizes},
}
"""By page: the names in its comments, and what stands between them."""


def regenerated(page: str) -> str:
    """A page with its computed parts as they should be.

    Raises:
        ValueError: the page hasn't exactly one place for a part.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, make in PARTS[page].items():
        begin, end = f"<!-- {name}: begin, written by {COMMAND} -->\n", f"\n<!-- {name}: end -->"
        pieces = re.split(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", text, flags=re.DOTALL)
        if len(pieces) != 2:
            raise ValueError(f"{page}: {len(pieces) - 1} places between {begin!r} and {end!r} instead of one")
        text = f"{pieces[0]}\n{make()}\n{pieces[1]}"
    return text


def main() -> None:
    """Rewrite the pages that have computed parts."""
    for page in PARTS:
        (ROOT / page).write_text(regenerated(page), encoding="utf-8")
        print(f"wrote {ROOT / page}", file=sys.stderr)


if __name__ == "__main__":
    main()
