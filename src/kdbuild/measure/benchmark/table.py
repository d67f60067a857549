"""A benchmark's results as tables: on the terminal, and as a Markdown page."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from kdbuild.measure.benchmark.report import BenchmarkReport, ContenderResult

TIMES = "\N{MULTIPLICATION SIGN}"
_WIDE = 110
"""Characters that a table with intervals takes, where names are long."""


class _Column(NamedTuple):
    """Column of a table."""

    title: str
    cell: Callable[[ContenderResult], str]
    """Empty where nothing is known."""
    is_number: bool = True


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _accuracy(result: ContenderResult) -> str:
    if result.accuracy is None or result.interval is None:
        return ""
    low, high = result.interval
    return f"{result.accuracy:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _bare_accuracy(result: ContenderResult) -> str:
    return _share(result.accuracy)


def _quoted(result: ContenderResult) -> str:
    return _share(result.quoted_accuracy)


def megabytes(size: int | None) -> str:
    """A size with one decimal, or two below a megabyte."""
    return "" if size is None else f"{size / 1e6:,.{1 if size >= 1e6 else 2}f} MB"


def milliseconds(value: float | None) -> str:
    """A duration with three significant digits."""
    if value is None:
        return ""
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{decimals}f} ms"


def times(value: float | None) -> str:
    """A ratio with three significant digits at least."""
    if value is None:
        return ""
    return f"{value:,.0f} {TIMES}" if value >= 100 else f"{value:.3g} {TIMES}"


def _name(result: ContenderResult) -> str:
    return result.name


def _status(result: ContenderResult) -> str:
    return result.status


def _size(result: ContenderResult) -> str:
    return megabytes(result.size_bytes)


def _engine(result: ContenderResult) -> str:
    return megabytes(result.engine_bytes)


def _p50(result: ContenderResult) -> str:
    return milliseconds(result.latency.shared_median_ms) if result.latency else ""


def _p95(result: ContenderResult) -> str:
    return milliseconds(result.latency.p95_ms) if result.latency else ""


def _p50_without(result: ContenderResult) -> str:
    latency = result.latency_without_tokenization
    return milliseconds(latency.shared_median_ms) if latency else ""


def _speedup(result: ContenderResult) -> str:
    return times(result.speedup)


def _parameters(result: ContenderResult) -> str:
    return "" if result.parameters is None else f"{result.parameters / 1e6:,.1f} M"


def _memory(result: ContenderResult) -> str:
    return "" if result.peak_rss_bytes is None else f"{result.peak_rss_bytes / 1e6:,.0f} MB"


def _cold_start(result: ContenderResult) -> str:
    return "" if result.cold_start_seconds is None else f"{result.cold_start_seconds:.2f} s"


def _first_call(result: ContenderResult) -> str:
    return milliseconds(result.first_call_ms)


def _tokens(result: ContenderResult) -> str:
    return "" if result.tokens_median is None else f"{result.tokens_median:g}"


def _columns(report: BenchmarkReport) -> list[_Column]:
    """Those of the terminal."""
    columns = [
        _Column("Format", _name, is_number=False),
        _Column("Status", _status, is_number=False),
        _Column("Size", _size),
        _Column("Accuracy", _accuracy),
        _Column("p50", _p50),
        _Column("p95", _p95),
    ]
    return columns if report.baseline is None else [*columns, _Column(f"{TIMES} {report.baseline}", _speedup)]


def rich_table(report: BenchmarkReport, width: int) -> Table:
    """The table for the terminal; the file to ship in bold.

    Args:
        report: what was measured.
        width: of the terminal, in characters; a narrow one gets no intervals.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=width < _WIDE)
    columns = _columns(report)
    if width < _WIDE:
        columns = [column._replace(cell=_bare_accuracy) if column.cell is _accuracy else column for column in columns]
    for column in columns:
        # Only names may be broken, that of the baseline in its column's title included.
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=column.cell not in (_name, _speedup),
            min_width=10 if column.cell is _name else None,
        )
    for result in report.results:
        chosen = report.ship is not None and result.name == report.ship.name
        style = "bold" if chosen else "dim" if result.status != "ok" else ""
        table.add_row(*(Text(column.cell(result)) for column in columns), style=style)
    return table


def failures(report: BenchmarkReport) -> list[str]:
    """A line for each contender that wasn't measured."""
    return [f"{result.name} {result.status}: {result.reason}" for result in report.results if result.status != "ok"]


def conclusion(report: BenchmarkReport) -> str:
    """Which file to ship, and by which rule, as one line."""
    if report.ship is None:
        return "Ship: nothing, as no model file could be measured"
    return f"Ship {report.ship.file}: {report.ship.reason}"


def remarks(report: BenchmarkReport) -> list[str]:
    """What one has to know to read the table."""
    threads = "one thread" if report.threads == 1 else f"{report.threads} threads"
    lines = [
        f"p50 and {TIMES} are of the {report.shared_texts} texts that all were timed on; p95 is of all timed calls of each, on "
        f"up to {report.timed_texts} of {report.texts:,} texts. One text at a time, {threads}, tokenisation included, in turns."
    ]
    untrained = [result.name for result in report.results if result.status == "ok" and not result.trained]
    if untrained:
        lines.append(
            f"Random weights: {'; '.join(untrained)}. Their latency and size are true, their answers mean nothing."
        )
    return lines


def markdown(report: BenchmarkReport, source: str) -> str:
    """The whole page: table, conclusion, remarks, machine.

    Args:
        report: what was measured.
        source: of the texts, in a few words.
    """
    columns = [
        *_columns(report),
        _Column("p50 without tokenisation", _p50_without),
        _Column("Cold start", _cold_start),
        _Column("First call", _first_call),
        _Column("Engine", _engine),
        _Column("Peak memory", _memory),
        _Column("Parameters", _parameters),
        _Column("Tokens or pieces", _tokens),
    ]
    if any(result.quoted_accuracy is not None for result in report.results):
        columns.append(_Column("Quoted for SST-2", _quoted))
    lines = ["# Benchmark", "", f"Texts: {source}.", "", _row(column.title for column in columns)]
    lines.append("|" + "|".join("---:" if column.is_number else "---" for column in columns) + "|")
    lines += [_row(column.cell(result) for column in columns) for result in report.results]
    lines += ["", f"**{conclusion(report)}.**", ""]
    lines += [f"* {line}" for line in [*failures(report), *remarks(report), *_notes(report.results), *_quotes(report)]]
    lines += ["", f"Machine: {_machine(report)}."]
    return "".join(line + "\n" for line in lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _notes(results: Sequence[ContenderResult]) -> list[str]:
    return [f"{result.name}: {result.note}." for result in results if result.note and result.status == "ok"]


def _quotes(report: BenchmarkReport) -> list[str]:
    quoted = [result for result in report.results if result.quoted_accuracy is not None]
    if not quoted:
        return []
    sources = "; ".join(f"{result.name} ({result.quoted_source})" for result in quoted)
    return [f"Accuracies quoted for SST-2 were not measured here: {sources}."]


def _machine(report: BenchmarkReport) -> str:
    machine = report.environment
    packages = machine.get("packages")
    named = [str(machine.get("cpu")), f"{machine.get('usable_cores')} cores", f"Python {machine.get('python')}"]
    if isinstance(packages, dict):
        named += [f"{name} {version}" for name, version in packages.items()]
    return ", ".join(named)
