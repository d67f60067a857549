"""The student beside everything that it could be replaced with, as committed tables and plots.

    python -m benchmarks.candidates --data $SST2_DIR --teacher $TEACHER_DIR --student STUDENT --work runs/contenders

All contenders of ``test_contenders.py`` take turns in one run. Writes ``benchmarks/results/contenders.json``,
``contenders.md``, ``contenders-size.png`` and ``contenders-latency.png``. Baselines are trained the first time; so are the
ONNX files of BERT's shapes written. An hour on two cores, most of it BERT-large and its like.
"""

import sys
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

import click

from benchmarks.candidates.contenders import BASELINE, BASELINES, NAMES, TORCH, TRANSFORMERS, all_contenders
from benchmarks.candidates.naive.environments import naive_cache
from benchmarks.candidates.subject import find_subject
from kdbuild.errors import BadInputError, KdbuildError
from kdbuild.files import file_digest, write_atomically, write_json
from kdbuild.measure.benchmark.comparison import benchmark
from kdbuild.measure.benchmark.plots import accuracy_latency_plot, accuracy_size_plot
from kdbuild.measure.benchmark.report import BenchmarkReport
from kdbuild.measure.benchmark.table import markdown
from kdbuild.runtime.artefact import MANIFEST
from kdbuild.version import __version__

RESULTS = Path(__file__).resolve().parents[1] / "results"
PLOTS_AND_COMMAND = """
![Accuracy against size](contenders-size.png)

![Accuracy against latency](contenders-latency.png)

The plots leave out contenders that would stand upon others.

```
python -m benchmarks.candidates.naive setup
python -m benchmarks.candidates --data $SST2_DIR --teacher $TEACHER_DIR --student STUDENT --work runs/contenders
```
"""
_folder = click.Path(path_type=Path, exists=True, file_okay=False)


_ONCE = (*TRANSFORMERS[:7], *BASELINES, "TFLite fp32", "TFLite int8", "native int8")
IN_SIZE_PLOT = _ONCE
"""Contenders that would stand upon another are left out: formats differ little in size, and naive exports not at all."""
IN_LATENCY_PLOT = (*_ONCE, TORCH, "Keras 3 LSTM int8", "Keras 2 LSTM int8", "nn.LSTM, 64 tokens int8")


def pictured(report: BenchmarkReport, names: Collection[str], *, quoted: bool) -> BenchmarkReport:
    """The report with these contenders alone, as far as an accuracy is known of them.

    Args:
        report: of all.
        names: of contenders.
        quoted: whether an accuracy that is quoted counts.
    """
    known = (
        result
        for result in report.results
        if result.name in names and (result.accuracy is not None or (quoted and result.quoted_accuracy is not None))
    )
    return replace(report, results=tuple(known))


@click.command()
@click.option("--data", required=True, type=_folder, help="Folder with train.tsv and dev.tsv.")
@click.option("--teacher", type=_folder, help="A teacher fine-tuned on them, for the baselines' word vectors.")
@click.option("--student", type=_folder, help="Folder 'student' of a run.")
@click.option("--artefact", type=_folder, help="Its artefact.  [default: exported with all formats]")
@click.option("--hard-labels", type=_folder, help="Folder 'student' of a run on hard labels.  [default: trained]")
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for what is trained and exported.")
@click.option("--out", default=RESULTS, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--only", multiple=True, metavar="NAME", help="Measure this contender; may be repeated.  [default: all]")
@click.option("--texts", type=click.IntRange(min=1), help="Take the first so many rows of dev.  [default: all]")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="Times each text is timed.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="That one call may use.")
@click.option("--sst2/--other", "is_sst2", default=True, help="Whether DATA is SST-2, of which accuracies are quoted.")
@click.option("--remark", default="", help="A sentence for the page, on the circumstances of the run.")
def main(
    data: Path,
    teacher: Path | None,
    student: Path | None,
    artefact: Path | None,
    hard_labels: Path | None,
    work: Path,
    out: Path,
    only: tuple[str, ...],
    texts: int | None,
    rounds: int,
    threads: int,
    is_sst2: bool,
    remark: str,
) -> None:
    """Reproduce benchmarks/results/contenders.md."""
    for name in only:
        if name not in NAMES:
            raise BadInputError(f"--only {name!r}: no such contender. There are: {'; '.join(NAMES)}.")
    subject = find_subject(
        data=data, artefact=artefact, student=student, hard_labels=hard_labels, teacher=teacher, work=work
    )
    contenders = [one for one in all_contenders(subject, naive_cache()) if not only or one.name in (*only, BASELINE)]
    rows, labels = subject.dev()
    rows, labels = rows[:texts], labels[:texts]
    source = f"{'SST-2' if is_sst2 else subject.source}, {len(rows):,} rows of dev"
    report = benchmark(contenders, rows, labels, rounds=rounds, threads=threads, baseline=BASELINE)
    page = markdown(report, source).replace("# Benchmark\n", "# Contenders\n", 1) + PLOTS_AND_COMMAND
    origin = {"kdbuild": __version__, "manifest_sha256": file_digest(subject.artefact / MANIFEST), "texts_from": source}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "contenders.json", origin | {"remark": remark} | asdict(report))
    write_atomically(out / "contenders.md", (page + (f"\n{remark}\n" if remark else "")).encode())
    shown = pictured(report, IN_SIZE_PLOT, quoted=is_sst2)
    accuracy_size_plot(shown, out / "contenders-size.png", quoted=is_sst2)
    shown = pictured(report, IN_LATENCY_PLOT, quoted=is_sst2)
    accuracy_latency_plot(shown, out / "contenders-latency.png", quoted=is_sst2)
    click.echo(page)


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks.candidates")
    except KdbuildError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
