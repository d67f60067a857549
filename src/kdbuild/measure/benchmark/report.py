"""What a benchmark found; ``dataclasses.asdict`` gives what goes into its JSON."""

from dataclasses import dataclass
from typing import Literal

from kdbuild.measure.benchmark.candidates import Family
from kdbuild.measure.latency import Latency

Status = Literal["ok", "failed", "not installed", "skipped"]


@dataclass(frozen=True)
class ContenderResult:
    """One line of the table; what isn't known is None, and so is all that was measured of one that failed."""

    name: str
    family: Family
    file: str | None
    """The artefact's model file, where it is one."""
    status: Status
    reason: str = ""
    """Why the status isn't ``ok``."""
    note: str = ""
    trained: bool = True
    """Whether its answers mean something."""
    parameters: int | None = None
    size_bytes: int | None = None
    """Bytes of the model file and the vocabulary that it needs, or of the parameters of a model that has no file."""
    engine_bytes: int | None = None
    """Bytes of a model file's engine as it is installed here."""
    peak_rss_bytes: int | None = None
    """The most memory that its process had."""
    cold_start_seconds: float | None = None
    """From the start of a process to its first answer; median of ``cold_starts``."""
    cold_starts: int = 0
    import_seconds: float | None = None
    """Time to import the factory's module; part of the cold start."""
    load_seconds: float | None = None
    """From there until it can be asked; part of the cold start."""
    first_call_ms: float | None = None
    """Its first answer, tokenisation included; part of the cold start."""
    latency: Latency | None = None
    """Tokenisation included."""
    latency_without_tokenization: Latency | None = None
    speedup: float | None = None
    """The baseline's median divided by its own, on the texts that both were timed on."""
    tokens_median: float | None = None
    """Median number of tokens of the texts timed, as the contender counts them."""
    accuracy: float | None = None
    """Share of all texts answered right, 0 to 1."""
    interval: tuple[float, float] | None = None
    """95 % Wilson interval of the accuracy."""
    agreement: float | None = None
    """Share of all texts answered as by the artefact's first fp32 file, 0 to 1."""
    quoted_accuracy: float | None = None
    """What the literature says of it on SST-2, 0 to 1: not measured here."""
    quoted_source: str = ""


@dataclass(frozen=True)
class Recommendation:
    """Which model file to ship."""

    name: str
    """Name of the contender."""
    file: str
    reason: str
    """The rule that chose it, as a sentence."""


@dataclass(frozen=True)
class BenchmarkReport:
    """A run of a benchmark."""

    results: tuple[ContenderResult, ...]
    """In the order the contenders were given."""
    baseline: str | None
    """Name of the contender that speedups are against, whether or not it could be measured."""
    ship: Recommendation | None
    """None where no model file could be measured."""
    texts: int
    """Texts given."""
    labelled: bool
    """Whether their labels were given."""
    timed_texts: int
    """Texts that contenders were timed on."""
    shared_texts: int
    """Texts that every contender was timed on: what speedups are made of."""
    rounds: int
    threads: int
    environment: dict[str, object]

    def __getitem__(self, name: str) -> ContenderResult:
        """The result of the contender of this name."""
        return {result.name: result for result in self.results}[name]
