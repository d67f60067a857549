"""A run as one page: figures, pictures, mistakes, and what it was made from."""

import shlex
from functools import partial
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.files import FULL, write_atomically
from kdbuild.trainer.plots import figures
from kdbuild.trainer.report import html
from kdbuild.trainer.report.facts import Facts, read_facts, read_json
from kdbuild.trainer.report.origin import origin, times
from kdbuild.trainer.report.quality import answers, mistakes, training
from kdbuild.trainer.run.following import export_command, no_export, predict_command, reads_pairs
from kdbuild.trainer.run.stages import STAGES
from kdbuild.trainer.run.written import REPORT, is_page, written_name


def write_report(run: Path, out: Path | None = None) -> Path:
    """Write the page of a run.

    Args:
        run: a finished run, or an ablation.
        out: the HTML file, of which an earlier page is replaced; ``report.html`` in the run folder if None.

    Returns:
        The file.

    Raises:
        BadInputError: it isn't a run folder, its student isn't trained, a file in it is damaged, or ``out`` can't be
            written or is something else.
    """
    page = report(run)
    out = run / REPORT if out is None else out
    if out.is_dir():
        raise BadInputError(f"--out {out}: is a folder. Name a file in it.")
    inside = written_name(run, out)
    if inside not in (None, REPORT):
        raise BadInputError(f"--out {out}: lies in {run / str(inside)}, which the run writes. Choose another file.")
    try:
        if out.is_file() and not is_page(out):
            raise BadInputError(f"--out {out}: is there already, and no page of kdbuild's. Choose another file.")
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, page.encode("utf-8"))
    except OSError as error:
        if error.errno in FULL:
            raise
        raise BadInputError(f"--out {out}: can't be written ({error.strerror}). Choose another file.") from error
    return out


def report(run: Path) -> str:
    """The page of a run, as HTML.

    Raises:
        BadInputError: as for :func:`write_report`, but for ``out``.
    """
    if (run / "ablation.json").is_file() and not (run / "options.json").is_file():
        return html.page(run.resolve().name, "Several students of one teacher.", [_ablation(run)])
    facts = read_facts(run)
    files = ", ".join(facts.files)
    lead = f"A student of {facts.teacher}, made from {files}." if facts.teacher else f"A student, made from {files}."
    sections = [
        _headline(facts),
        _warnings(facts),
        _ablation(run, "<p>The rest of this page is about the student in this folder, the last one.</p>"),
        training(facts),
        answers(facts),
        mistakes(facts),
        origin(facts),
        times(facts),
        _next(facts),
    ]
    return html.page(facts.name, lead, sections)


def _headline(facts: Facts) -> str:
    """The figures that people ask for first."""
    dev, distill = facts.dev, facts.metrics["distill"]
    low, high = (f"{100 * bound:.1f}" for bound in dev["interval"])
    meaning = ", all labels of a text right" if facts.multi_label else ""
    accuracy_note = f"95\N{NO-BREAK SPACE}% interval {low} to {high}; {dev['n']:,} rows{meaning}"
    cards = [
        ("dev accuracy", html.percent(dev["accuracy"]), accuracy_note),
        ("macro-F1", f"{dev['macro_f1']:.3f}", f"mean over {len(facts.labels)} labels"),
    ]
    teacher = facts.teacher_accuracy
    if teacher:
        points = f"{100 * (dev['accuracy'] - teacher):+.1f}".replace("-", "\N{MINUS SIGN}")
        kept = f"the student keeps {html.percent(dev['accuracy'] / teacher)}: {points} points"
        cards.append(
            ("teachers' accuracy together" if facts.teachers else "teacher's accuracy", html.percent(teacher), kept)
        )
    cards += [(f"{name} alone", html.percent(accuracy), "accuracy") for name, accuracy in facts.teachers]
    if "parameters" in distill:
        parameters = distill["parameters"]
        shown = f"{parameters / 1e6:.2f} M" if parameters >= 100_000 else f"{parameters:,}"
        # A byte a parameter and a scale for each row of the embedding: within 2 % of the file at 300/300/400.
        size = parameters + 4 * distill.get("vocabulary", 0)
        cards.append(("parameters", shown, f"about {_bytes(size)} as int8"))
    if sentences := facts.metrics.get("augment", {}).get("sentences"):
        note = "sentences that the teacher labelled"
        cards.append(("transfer set", f"{sentences:,}", f"{note}: {facts.shares}" if facts.shares else note))
    elif texts := distill.get("texts"):
        cards.append(("trained on", f"{texts:,}", "texts"))
    return html.definitions(
        "cards",
        ((name, f"<strong>{html.text(value)}</strong><span>{html.text(note)}</span>") for name, value, note in cards),
    )


def _bytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _warnings(facts: Facts) -> str:
    """What was found odd when the data was read."""
    lines = facts.metrics.get("data", {}).get("warnings", [])
    items = "".join(f"<li>{html.text(line)}</li>" for line in lines)
    return f'<aside class="warning"><strong>About the data</strong><ul>{items}</ul></aside>' if lines else ""


def _ablation(run: Path, note: str = "") -> str:
    """The students of an ablation side by side; nothing if there was none. ``note`` is HTML and stands at the end."""
    path = run / "ablation.json"
    if not path.is_file():
        return ""
    found = read_json(path)
    students, teacher = found["students"], found.get("teacher") or {}
    rows = [["teacher", html.percent(teacher["accuracy"]), "", "", "", ""]] if "accuracy" in teacher else []
    for student in students:
        runs = student["accuracy"]
        spread = f" ± {100 * student['deviation']:.1f}" if len(runs) > 1 else ""
        rows.append(
            [
                html.text(student["name"]),
                f"{100 * student['mean']:.1f}{spread}\N{NO-BREAK SPACE}%",
                ", ".join(f"{100 * accuracy:.1f}" for accuracy in runs),
                f"{student['transfer_sentences']:,}",
                f"{student['parameters'] / 1e6:.2f} M",
                f"{student['cpu_seconds']:.2f} s",
            ]
        )
    columns = ["student", "dev accuracy", "each run", "trained on", "parameters", "CPU time over dev"]
    draw = partial(
        figures.ablation_plot,
        [student["name"] for student in students],
        [student["mean"] for student in students],
        [student["deviation"] for student in students],
        teacher.get("accuracy"),
    )
    return html.section(
        "Ablation",
        html.table(columns, rows, range(1, len(columns))),
        html.side_by_side(html.picture(draw, "Dev accuracy of the students and their teacher")),
        note,
    )


def _next(facts: Facts) -> str:
    """The commands that go on from here, ready to be copied."""

    def quoted(*parts: str) -> str:
        return shlex.quote(str(facts.path.joinpath(*parts)))

    artefact, dev = quoted("artefact"), quoted(STAGES["data"].output, "dev.tsv")
    commands = []
    reason = no_export(facts.path)
    if reason is None:
        commands += [
            export_command(facts.path),
            predict_command(facts.path / "artefact", pairs=reads_pairs(facts.path)),
            f"kdbuild eval {artefact} {dev}",
        ]
    if (facts.path / "tensorboard").is_dir():
        commands.append(f"tensorboard --logdir {quoted('tensorboard')}")
    why = f"<p>{html.text(reason)}</p>" if reason else ""
    return html.section("Next", why, html.preformatted("\n".join(commands)) if commands else "")
