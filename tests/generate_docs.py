"""Writes what is computed in the user guide: the reference of all options, and the table of file sizes.

    python tests/generate_docs.py

Each part stands between two comments in its page, so that the text around it is written by hand.
"""

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kdbuild.trainer.options import StudentOptions, TrainOptions
from kdbuild.trainer.recipe import read_recipe

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMAND = "python tests/generate_docs.py"
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


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "recipes.md": ("options", options),
    "student.md": ("sizes", sizes),
}
"""The page, the name in its comments, and what stands between them."""


def regenerated(page: str) -> str:
    """A page of the guide with its computed part as it should be.

    Raises:
        ValueError: the page hasn't exactly one place for it.
    """
    name, make = PARTS[page]
    text = (DOCS / page).read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: begin, written by {COMMAND} -->\n", f"\n<!-- {name}: end -->"
    pieces = re.split(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", text, flags=re.DOTALL)
    if len(pieces) != 2:
        raise ValueError(f"{page}: {len(pieces) - 1} places between {begin!r} and {end!r} instead of one")
    return f"{pieces[0]}\n{make()}\n{pieces[1]}"


def main() -> None:
    """Rewrite the pages that have a computed part."""
    for page in PARTS:
        (DOCS / page).write_text(regenerated(page), encoding="utf-8")
        print(f"wrote {DOCS / page}", file=sys.stderr)


if __name__ == "__main__":
    main()
