"""A run as one page: figures, pictures, mistakes, and what it was made from.

The page is a single HTML file that asks the network for nothing. Whatever comes from the run goes through :func:`_text`.
"""

import base64
import io
import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import islice
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from kdbuild.errors import BadInputError
from kdbuild.runtime.data import label_indices, label_matrix, read_records, read_rows, read_text
from kdbuild.trainer import plots
from kdbuild.trainer.run_folder import OUTPUTS, RunFolder, write_atomically

_MOST_MISTAKES = 50
_WIDE = 9
"""Classes from which a confusion matrix needs the page's whole width."""
_KINDS: dict[type, str] = {dict: "object", list: "list"}
_LOSSES = {
    "mse": "the squared distance to the teacher's logits",
    "kl_div": "the divergence from the teacher's softened probabilities",
}


@dataclass(frozen=True)
class _Facts:
    """What a run folder says of itself."""

    path: Path
    version: str
    """Of the kdbuild that made it."""
    files: dict[str, str]
    """Name and digest of each data file."""
    options: dict[str, dict[str, Any]]
    metrics: dict[str, dict[str, Any]]
    """By stage, those that ran."""
    labels: list[str]

    @property
    def name(self) -> str:
        """Of the run."""
        return self.path.resolve().name

    @property
    def dev(self) -> dict[str, Any]:
        """The student's metrics."""
        return dict(self.metrics["distill"]["dev"])

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return bool(self.metrics.get("data", {}).get("multi_label", False))

    @property
    def teacher(self) -> str:
        """Its name; of a folder the last part."""
        name = str(self.options.get("teacher", {}).get("teacher", ""))
        return Path(name).name if "teacher" in self.metrics else ""


def write_report(run: Path, out: Path | None = None) -> Path:
    """Write the page of a run.

    Args:
        run: a finished run, or an ablation.
        out: the HTML file; ``report.html`` in the run folder if None.

    Returns:
        The file.

    Raises:
        BadInputError: it isn't a run folder, its student isn't trained, a file in it is damaged, or ``out`` can't be
            written.
    """
    page = report(run)
    out = run / "report.html" if out is None else out
    if out.is_dir():
        raise BadInputError(f"--out {out}: is a folder. Name a file in it.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, page.encode("utf-8"))
    except OSError as error:
        raise BadInputError(f"--out {out}: can't be written ({error.strerror}). Choose another file.") from error
    return out


def report(run: Path) -> str:
    """The page of a run, as HTML.

    Raises:
        BadInputError: as for :func:`write_report`.
    """
    if (run / "ablation.json").is_file() and not (run / "options.json").is_file():
        return _page(run.resolve().name, "Several students of one teacher.", [_ablation(run, in_run=False)])
    facts = _read(RunFolder.open(run))
    sections = [
        _headline(facts),
        _warnings(facts),
        _ablation(run, in_run=True),
        _curves(facts),
        _quality(facts),
        _mistakes(facts),
        _origin(facts),
        _seconds(facts),
        _next(facts),
    ]
    files = ", ".join(facts.files)
    lead = f"A student of {facts.teacher}, made from {files}." if facts.teacher else f"A student, made from {files}."
    return _page(facts.name, lead, sections)


def _read(folder: RunFolder) -> _Facts:
    path = folder.path
    options = _json(path / "options.json")
    metrics = _json(path / "metrics.json") if (path / "metrics.json").is_file() else {}
    if "dev" not in metrics.get("distill", {}):
        raise BadInputError(f"{path}: its student isn't trained. Finish it with: kdbuild distill {path}")
    labels = read_text(path / OUTPUTS["data"] / "labels.txt").removesuffix("\n").split("\n")
    return _Facts(path, str(options["kdbuild"]), folder.data, options["options"], metrics, labels)


def _json(path: Path, kind: type = dict) -> Any:
    """What stands in one of the run's files, an object or a list."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadInputError(f"{path}: not valid JSON ({error}). Restore the file, or train again.") from error
    if not isinstance(value, kind):
        raise BadInputError(f"{path}: holds no JSON {_KINDS[kind]}. Restore the file, or train again.")
    return value


def _text(value: object) -> str:
    """A value from the run, safe inside an element or a quoted attribute."""
    return escape(str(value))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _section(title: str, *parts: str) -> str:
    """A section of those parts that say something; none if there are none."""
    shown = [part for part in parts if part]
    return "\n".join([f"<section><h2>{_text(title)}</h2>", *shown, "</section>"]) if shown else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table that scrolls within itself.

    Args:
        columns: headings, plain text.
        rows: cells, HTML.
        numbers: columns that are set to the right.
    """
    kind = ["number" if place in numbers else "words" for place in range(len(columns))]
    head = "".join(f'<th scope="col" class="{k}">{_text(name)}</th>' for k, name in zip(kind, columns, strict=True))
    body = (
        "<tr>" + "".join(f'<td class="{k}">{cell}</td>' for k, cell in zip(kind, row, strict=True)) + "</tr>"
        for row in rows
    )
    lines = "\n".join(body)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>'


def _picture(
    draw: Callable[[io.BytesIO, plots.Theme], None], title: str, caption: str = "", *, wide: bool = False
) -> str:
    """A figure in the reader's light or dark colours.

    Args:
        draw: writes it as SVG.
        title: what it shows, for those who can't see it.
        caption: HTML.
        wide: so large that a phone should scroll it.
    """
    images = []
    for name, theme in (("light", plots.LIGHT), ("dark", plots.DARK)):
        svg = io.BytesIO()
        draw(svg, theme)
        source = "data:image/svg+xml;base64," + base64.b64encode(svg.getvalue()).decode("ascii")
        images.append(f'<img class="{name}" src="{source}" alt="{_text(title)}">')
    frame = '<div class="scroll wide" tabindex="0">' if wide else "<div>"
    # Both, one of them hidden: a browser that prints chooses anew among hidden elements, not among picture's sources.
    return (
        f"<figure>{frame}{''.join(images)}</div>"
        + (f"<figcaption>{caption}</figcaption>" if caption else "")
        + "</figure>"
    )


def _headline(facts: _Facts) -> str:
    dev, distill = facts.dev, facts.metrics["distill"]
    low, high = (f"{100 * bound:.1f}" for bound in dev["interval"])
    meaning = ", all labels of a text right" if facts.multi_label else ""
    cards = [
        (
            "dev accuracy",
            _percent(dev["accuracy"]),
            f"95\N{NO-BREAK SPACE}% interval {low} to {high}; {dev['n']:,} rows{meaning}",
        ),
        ("macro-F1", f"{dev['macro_f1']:.3f}", f"mean over {len(facts.labels)} labels"),
    ]
    teacher = facts.metrics.get("teacher", {}).get("dev", {})
    if teacher.get("accuracy"):
        kept = dev["accuracy"] / teacher["accuracy"]
        points = 100 * (dev["accuracy"] - teacher["accuracy"])
        difference = f"{points:+.1f}".replace("-", "\N{MINUS SIGN}")
        cards.append(
            (
                "teacher's accuracy",
                _percent(teacher["accuracy"]),
                f"the student keeps {_percent(kept)}: {difference} points",
            )
        )
    if "parameters" in distill:
        parameters = distill["parameters"]
        shown = f"{parameters / 1e6:.2f} M" if parameters >= 100_000 else f"{parameters:,}"
        # Of int8, a byte a parameter and a scale for each row of the embedding: within 2 % of the file at 300/300/400.
        size = parameters + 4 * distill.get("vocabulary", 0)
        cards.append(("parameters", shown, f"about {_bytes(size)} as int8"))
    if sentences := facts.metrics.get("augment", {}).get("sentences"):
        cards.append(("transfer set", f"{sentences:,}", "sentences that the teacher labelled"))
    elif texts := distill.get("texts"):
        cards.append(("trained on", f"{texts:,}", "texts"))
    shown_cards = "\n".join(
        f"<div><dt>{_text(name)}</dt><dd><strong>{_text(value)}</strong><span>{_text(note)}</span></dd></div>"
        for name, value, note in cards
    )
    return f'<dl class="cards">\n{shown_cards}\n</dl>'


def _bytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _warnings(facts: _Facts) -> str:
    lines = facts.metrics.get("data", {}).get("warnings", [])
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f'<aside class="warning"><strong>About the data</strong><ul>{items}</ul></aside>' if lines else ""


def _curves(facts: _Facts) -> str:
    captions = {
        "student": f"The student, on its training texts and on dev. {_of_losses(facts.options.get('student', {}))}",
        "teacher": "The teacher, which was fine-tuned here.",
    }
    figures = []
    for who, caption in captions.items():
        path = facts.path / OUTPUTS["distill" if who == "student" else "teacher"] / "log.json"
        log = _json(path, list) if path.is_file() else []
        if any("loss" in entry or "eval_loss" in entry for entry in log):
            title = f"Learning curve of the {who}"
            figures.append(_picture(partial(plots.learning_curve, log, title=title), title, caption))
    return _section("Training", _side_by_side(figures))


def _of_losses(student: dict[str, Any]) -> str:
    """What the two losses of a student with these options measure."""
    loss = student.get("loss")
    if loss == "cross_entropy":
        return "Both losses are the cross-entropy of the true labels."
    if loss not in _LOSSES:
        return ""
    blend = "" if student.get("alpha", 1) == 1 else ", blended with the cross-entropy of the true labels"
    return (
        f"The training loss is {_LOSSES[loss]}{blend}; the dev loss is the cross-entropy of the true labels. "
        "Compare their courses, not their heights."
    )


def _side_by_side(figures: Sequence[str]) -> str:
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""


def _quality(facts: _Facts) -> str:
    confusion = facts.dev["confusion"]
    multi = facts.multi_label
    wide = not multi and len(facts.labels) >= _WIDE
    matrix = _picture(
        partial(plots.label_scores if multi else plots.confusion_matrix, confusion, facts.labels),
        "Precision, recall and F1 by label" if multi else "Confusion matrix",
        "" if multi else "A row holds the dev rows of one true label; the diagonal is right.",
        wide=wide,
    )
    figures = [_reliability(facts)] if wide else [matrix, _reliability(facts)]
    return _section("Answers on dev", matrix if wide else "", _side_by_side([figure for figure in figures if figure]))


def _reliability(facts: _Facts) -> str:
    path = facts.path / OUTPUTS["distill"] / "dev_logits.npy"
    if not path.is_file():
        return ""
    splits = facts.path / OUTPUTS["data"] / "dev.tsv"
    labels = read_rows(splits, multi_label=facts.multi_label).labels
    if labels is None:
        return ""
    targets = np.array((label_matrix if facts.multi_label else label_indices)(splits, labels, facts.labels))
    try:
        logits = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise BadInputError(f"{path}: not an array ({error}). Train again: kdbuild distill {facts.path}") from error
    if logits.shape != (len(targets), len(facts.labels)):
        raise BadInputError(
            f"{path}: is of shape {logits.shape}, and dev has {len(targets)} rows and {len(facts.labels)} labels. "
            f"Train again: kdbuild distill {facts.path}"
        )
    return _picture(
        partial(plots.reliability_diagram, targets, logits),
        "Reliability diagram",
        "Of the answers with about the same probability, how many are right. Where bars end below the dashed line the "
        "student is too sure of itself.",
    )


def _mistakes(facts: _Facts) -> str:
    path = facts.path / "misclassified.tsv"
    if not path.is_file():
        return ""
    records = [record for _, record in read_records(path)]
    if not records:
        return _section("Mistakes", "<p>None: every dev row was answered right.</p>")
    missing = [name for name in ("text", "label", "answer", "probability") if name not in records[0]]
    if missing:
        raise BadInputError(f"{path}: no column '{missing[0]}'. Train again: kdbuild distill {facts.path}")
    columns = [name for name in ("text", "text2", "label", "answer") if name in records[0]]
    try:
        records.sort(key=lambda record: -float(record["probability"]))
        rows = [
            [*(_text(record[name]) or "<em>none</em>" for name in columns), _percent(float(record["probability"]))]
            for record in islice(records, _MOST_MISTAKES)
        ]
    except ValueError as error:
        raise BadInputError(f"{path}: {error}. Train again: kdbuild distill {facts.path}") from error
    count = f"{len(records):,} of {facts.dev['n']:,} dev rows"
    which = "the surest first" if len(records) <= _MOST_MISTAKES else f"the {_MOST_MISTAKES} surest"
    names = {"text": "text", "text2": "second text", "label": "true label", "answer": "answer"}
    table = _table([*(names[name] for name in columns), "probability"], rows, [len(columns)])
    where = f"; all of them in <code>{_text(path.name)}</code>" if len(records) > _MOST_MISTAKES else ""
    return _section("Mistakes", f"<p>{count}, {which}{where}.</p>", f'<div class="mistakes">{table}</div>')


def _origin(facts: _Facts) -> str:
    data, options = facts.metrics.get("data", {}), facts.options
    student = options.get("student", {})
    rows = data.get("rows", {})
    shape = [f"{size} {student[name]}" for name, size in _SHAPE.items() if name in student]
    pairs = {
        "data": "<br>".join(
            f"{_text(name)} <code class=digest>sha256 {_text(digest)}</code>" for name, digest in facts.files.items()
        ),
        "rows": f"{rows['train']:,} train, {rows['dev']:,} dev" if rows else "",
        "labels": _text(", ".join(facts.labels[:20]) + (", …" if len(facts.labels) > 20 else "")),
        "teacher": _text(facts.teacher),
        "student": _text(", ".join(shape)),
        "words": _words(facts),
        "loss": _text(student.get("loss", "")),
        "seed": _text(options.get("data", {}).get("seed", "")),
        "made by": _text(f"kdbuild {facts.version}"),
    }
    listed = "\n".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs.items() if value)
    balance = ""
    if classes := data.get("classes"):
        balance = _picture(partial(plots.class_balance, classes), "Class balance of the train rows")
    return _section(
        "What it was made from",
        f'<dl class="facts">\n{listed}\n</dl>',
        _side_by_side([balance] if balance else []),
        _recipe(facts),
    )


_SHAPE = {
    "embedding_size": "word vectors of",
    "hidden_size": "LSTM of",
    "classifier_size": "classifier of",
}


def _words(facts: _Facts) -> str:
    distill = facts.metrics["distill"]
    known = f"; {_percent(1 - distill['dev_oov_rate'])} of dev's are among them" if "dev_oov_rate" in distill else ""
    return f"{distill['vocabulary']:,}{known}" if "vocabulary" in distill else ""


def _recipe(facts: _Facts) -> str:
    path = facts.path / "recipe.toml"
    name, text = path.name, read_text(path) if path.is_file() else ""
    if not text:
        name, text = "options.json", json.dumps(facts.options, indent=2, ensure_ascii=False)
    return (
        f"<details><summary>All options, <code>{name}</code></summary>"
        f'<div class="scroll" tabindex="0"><pre>{_text(text)}</pre></div></details>'
    )


def _seconds(facts: _Facts) -> str:
    seconds = {stage: facts.metrics[stage]["seconds"] for stage in OUTPUTS if "seconds" in facts.metrics.get(stage, {})}
    total = sum(seconds.values())
    rows = [
        [_text(stage), _duration(spent), f'<span class="bar" style="width:{100 * spent / (total or 1):.1f}%"></span>']
        for stage, spent in seconds.items()
    ]
    rows.append(["<strong>together</strong>", f"<strong>{_duration(total)}</strong>", ""])
    table = _table(["stage", "time", "share"], rows, [1])
    return _section("Time", f'<div class="times">{table}</div>') if seconds else ""


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _next(facts: _Facts) -> str:
    run = shlex.quote(str(facts.path))
    artefact, dev = (
        shlex.quote(str(facts.path / "artefact")),
        shlex.quote(str(facts.path / OUTPUTS["data"] / "dev.tsv")),
    )
    commands = [
        f"kdbuild export {run} --format tflite --quantize",
        f'kdbuild predict {artefact} "your text"',
        f"kdbuild eval {artefact} {dev}",
    ]
    if (facts.path / "tensorboard").is_dir():
        commands.append(f"tensorboard --logdir {shlex.quote(str(facts.path / 'tensorboard'))}")
    lines = "\n".join(map(_text, commands))
    return _section("Next", f'<div class="scroll" tabindex="0"><pre>{lines}</pre></div>')


def _ablation(run: Path, *, in_run: bool) -> str:
    path = run / "ablation.json"
    if not path.is_file():
        return ""
    found = _json(path)
    students, teacher = found["students"], found.get("teacher") or {}
    rows = [["teacher", _percent(teacher["accuracy"]), "", "", "", ""]] if "accuracy" in teacher else []
    for student in students:
        runs = student["accuracy"]
        spread = f" ± {100 * student['deviation']:.1f}" if len(runs) > 1 else ""
        rows.append(
            [
                _text(student["name"]),
                f"{100 * student['mean']:.1f}{spread}\N{NO-BREAK SPACE}%",
                ", ".join(f"{100 * accuracy:.1f}" for accuracy in runs),
                f"{student['transfer_sentences']:,}",
                f"{student['parameters'] / 1e6:.2f} M",
                f"{student['cpu_seconds']:.2f} s",
            ]
        )
    columns = ["student", "dev accuracy", "each run", "trained on", "parameters", "CPU time over dev"]
    picture = _picture(
        partial(
            plots.ablation_plot,
            [student["name"] for student in students],
            [student["mean"] for student in students],
            [student["deviation"] for student in students],
            teacher.get("accuracy"),
        ),
        "Dev accuracy of the students and their teacher",
    )
    note = "<p>The rest of this page is about the student in this folder, the last one.</p>" if in_run else ""
    return _section("Ablation", _table(columns, rows, range(1, len(columns))), _side_by_side([picture]), note)


def _page(title: str, lead: str, sections: Sequence[str]) -> str:
    body = "\n".join(section for section in sections if section)
    return _PAGE.substitute(title=_text(title), lead=_text(lead), style=_STYLE, body=body)


_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title: report</title>
<style>
$style</style>
</head>
<body>
<header>
<p class="kicker">kdbuild report</p>
<h1>$title</h1>
<p class="lead">$lead</p>
</header>
<main>
$body
</main>
</body>
</html>
""")

_STYLE = """\
:root {
  --page: #f4f6f8; --card: #ffffff; --text: #1f2328; --muted: #59636e; --line: #d9dee3; --accent: #0072b2;
  --warn: #fff6e5; --warn-line: #e69f00;
}
figure img { display: block; }
figure img.dark { display: none; }
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0d1013; --card: #15191e; --text: #e8edf2; --muted: #a3acb5; --line: #353c44; --accent: #56b4e9;
    --warn: #2a2212; --warn-line: #b98000;
  }
  figure img.light { display: none; }
  figure img.dark { display: block; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 72rem; background: var(--page);
  color: var(--text); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere;
}
h1 { margin: 0; font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.2; }
h2 { margin: 0; font-size: 1.2rem; }
p { margin: 0; }
.kicker { margin: 0; color: var(--accent); font-weight: 600; letter-spacing: 0.03em; }
.lead { margin: 0.4rem 0 1.6rem; color: var(--muted); }
section, .cards > div {
  background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem;
}
section { margin: 1.25rem 0; padding: clamp(1rem, 3vw, 1.6rem); }
section > :not(h2) { margin-top: 1.2rem; }
section > :last-child { margin-bottom: 0; }
dl, dd { margin: 0; }
.cards { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(9.2rem, 1fr)); }
.cards > div { padding: 0.8rem 1rem; }
.cards dt { color: var(--muted); font-size: 0.9rem; }
.cards strong { display: block; font-size: clamp(1.4rem, 2.8vw, 1.9rem); line-height: 1.3; font-variant-numeric: tabular-nums; }
.cards span { color: var(--muted); font-size: 0.85rem; line-height: 1.35; display: block; }
.warning {
  margin: 1.25rem 0; padding: 0.9rem 1.2rem; background: var(--warn); border-left: 4px solid var(--warn-line);
  border-radius: 0.4rem;
}
.warning ul { margin: 0.3rem 0 0; padding-left: 1.2rem; }
.pictures { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; }
figure img { width: 100%; max-width: 36rem; height: auto; }
.wide img { max-width: 60rem; min-width: 42rem; }
figcaption { margin-top: 0.6rem; max-width: 36rem; color: var(--muted); font-size: 0.9rem; }
@media (min-width: 60rem) {
  .pictures figure:only-child { display: grid; grid-template-columns: 36rem minmax(0, 1fr); gap: 0 2rem; align-items: center; }
}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.95rem; }
th { color: var(--muted); font-size: 0.85rem; font-weight: 600; text-align: left; }
th, td { padding: 0.45rem 0.9rem 0.45rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th, td { overflow-wrap: break-word; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.mistakes td:nth-last-child(n+4) { min-width: 14rem; overflow-wrap: anywhere; }
.times td:last-child { width: 60%; }
.bar { display: block; height: 0.8rem; margin-top: 0.35rem; min-width: 1px; border-radius: 2px; background: var(--accent); }
.facts { display: grid; gap: 0.5rem; }
.facts > div { display: grid; gap: 0 1rem; grid-template-columns: 6rem 1fr; }
.facts dt { color: var(--muted); }
@media (max-width: 40rem) {
  .mistakes thead { display: none; }
  .mistakes tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
  .mistakes tr:last-child { border-bottom: 0; }
  .mistakes td { border: 0; padding: 0; min-width: 0; overflow-wrap: anywhere; }
  .mistakes td:nth-last-child(n+4) { flex: 1 0 100%; min-width: 0; }
  .mistakes td:nth-last-child(-n+3) { color: var(--muted); font-size: 0.9rem; }
  .mistakes td:last-child { margin-left: auto; }
  .mistakes td:nth-last-child(3)::before { content: "true: "; }
  .mistakes td:nth-last-child(2)::before { content: "answer: "; }
}
code, pre { font: 0.88em/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.digest { color: var(--muted); font-size: 0.8em; }
pre { margin: 0; padding: 0.9rem 1.1rem; background: var(--page); border-radius: 0.5rem; width: max-content; min-width: 100%; }
summary { cursor: pointer; margin-bottom: 0.6rem; }
@media print {
  html { font-size: 11px; }
  body { max-width: none; padding: 0; background: #fff; }
  section, .cards > div { border-color: #bbb; }
  section { margin: 0.8rem 0; }
  figure, tr, .cards > div { break-inside: avoid; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
  .wide img { min-width: 0; }
  pre { white-space: pre-wrap; width: auto; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
