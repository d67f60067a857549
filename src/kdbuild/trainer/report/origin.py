"""What a run was made from, and how long it took, for its report."""

import json
from functools import partial

from kdbuild.runtime.data.readers import read_text
from kdbuild.trainer.plots import figures
from kdbuild.trainer.report import html
from kdbuild.trainer.report.facts import Facts
from kdbuild.trainer.run.stages import STAGES

_MOST_LABELS = 20
_SIZES = {
    "embedding_size": "word vectors of",
    "hidden_size": "LSTM of",
    "classifier_size": "classifier of",
}


def origin(facts: Facts) -> str:
    """Data, teacher, shape of the student, class balance, and all options."""
    data, options = facts.metrics.get("data", {}), facts.options
    student, rows = options.get("student", {}), data.get("rows", {})
    files = (
        f"{html.text(name)} <code class=digest>sha256 {html.text(digest)}</code>"
        for name, digest in facts.files.items()
    )
    labels = ", ".join(facts.labels[:_MOST_LABELS]) + (", …" if len(facts.labels) > _MOST_LABELS else "")
    sizes = [f"{words} {student[name]}" for name, words in _SIZES.items() if name in student]
    values = {
        "data": "<br>".join(files),
        "rows": f"{rows['train']:,} train, {rows['dev']:,} dev" if rows else "",
        "labels": html.text(labels),
        "teacher": html.text(facts.teacher),
        "student": html.text(", ".join(sizes)),
        "words": _words(facts),
        "loss": html.text(student.get("loss", "")),
        "seed": html.text(options.get("data", {}).get("seed", "")),
        "made by": html.text(f"kdbuild {facts.version}"),
    }
    balance = ""
    if classes := data.get("classes"):
        balance = html.picture(partial(figures.class_balance, classes), "Class balance of the train rows")
    return html.section(
        "What it was made from",
        html.definitions("facts", ((name, value) for name, value in values.items() if value)),
        html.side_by_side(balance),
        _all_options(facts),
    )


def _words(facts: Facts) -> str:
    """Size of the vocabulary, and the share of dev's tokens that are in it."""
    distill = facts.metrics["distill"]
    if "vocabulary" not in distill:
        return ""
    words = f"{distill['vocabulary']:,}"
    if facts.options.get("student", {}).get("tokenizer") == "pieces":
        words += " words and pieces"
    if "dev_oov_rate" in distill:
        words += f"; {html.percent(1 - distill['dev_oov_rate'])} of dev's are among them"
    return words


def _all_options(facts: Facts) -> str:
    """The recipe that repeats the run; without one, its options as they were recorded."""
    path = facts.path / "recipe.toml"
    name, content = path.name, read_text(path) if path.is_file() else ""
    if not content:
        name, content = "options.json", json.dumps(facts.options, indent=2, ensure_ascii=False)
    return f"<details><summary>All options, <code>{name}</code></summary>{html.preformatted(content)}</details>"


def times(facts: Facts) -> str:
    """How long each stage took."""
    seconds = {stage: facts.metrics[stage]["seconds"] for stage in STAGES if "seconds" in facts.metrics.get(stage, {})}
    if not seconds:
        return ""
    total = sum(seconds.values())
    rows = [
        [
            html.text(stage),
            _duration(spent),
            f'<span class="bar" style="width:{100 * spent / (total or 1):.1f}%"></span>',
        ]
        for stage, spent in seconds.items()
    ]
    rows.append(["<strong>together</strong>", f"<strong>{_duration(total)}</strong>", ""])
    return html.section("Time", f'<div class="times">{html.table(["stage", "time", "share"], rows, [1])}</div>')


def _duration(seconds: float) -> str:
    """As people say it: ``5.5 s``, ``1 min 15 s``, ``1 h 02 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
