"""The committed results: ``benchmarks/results/arm64.json``, and ``arm64.md`` made of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.files import write_atomically, write_json

RESULTS = Path(__file__).parents[1] / "results" / "arm64.json"
LARGEST_RISE = 0.03
"""By how much an instruction count may rise before it counts as a regression."""

Counts = Mapping[str, Any]
"""By model: ``sha256``, ``bytes``, ``engine``, and ``instructions`` by processor and by number of tokens, which is a string."""


def read(path: Path) -> dict[str, Any]:
    """The results of a file; empty ones where there is none."""
    if not path.exists():
        return {"versions": {}, "counts": {}, "golden": {}}
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def record(path: Path, versions: Mapping[str, str], kind: str, found: Mapping[str, Any]) -> list[str]:
    """Put results into the file and write its page anew.

    Args:
        path: the JSON file; the page lies beside it.
        versions: of all that may change a result. Results under other versions can't be compared: they are dropped.
        kind: ``counts`` or ``golden``.
        found: by the name of a model or an artefact; others' are kept.

    Returns:
        Names of the results that were dropped.
    """
    result = read(path)
    dropped: list[str] = []
    if result["versions"] != versions:
        dropped = [f"{old} of {name}" for old in ("counts", "golden") for name in result[old]]
        result = {"versions": dict(versions), "counts": {}, "golden": {}}
    result[kind] = dict(sorted({**result[kind], **found}.items()))
    path.parent.mkdir(exist_ok=True)
    write_json(path, result)
    write_atomically(path.with_suffix(".md"), page(result).encode())
    replaced = {f"{kind} of {name}" for name in found}
    return [name for name in dropped if name not in replaced]


def rises(committed: Counts, found: Counts) -> list[str]:
    """Where a count is more than :data:`LARGEST_RISE` above the committed one, a line each.

    Raises:
        BadInputError: a count has no committed one to compare it with.
    """
    lines = []
    for model, entry in found.items():
        for cpu, by_tokens in entry["instructions"].items():
            for tokens, instructions in by_tokens.items():
                try:
                    before = committed[model]["instructions"][cpu][tokens]
                except KeyError:
                    raise BadInputError(
                        f"{model}: no committed count on {cpu} at {tokens} tokens. Record it with --record."
                    ) from None
                if instructions > before * (1 + LARGEST_RISE):
                    rise = instructions / before - 1
                    lines.append(
                        f"{model} on {cpu} at {tokens} tokens: {instructions:,} instead of {before:,} (+{rise:.1%})"
                    )
    return lines


def page(result: Mapping[str, Any]) -> str:
    """The Markdown page."""
    lines = [
        "# ARM64, emulated",
        "",
        "Emulated instruction counts: how many instructions of an ARM64 processor one inference takes, one thread, batch 1,",
        "without resizing the input. They are no times: they say whether a graph does more or less work, not how fast",
        "a processor does it. A count repeats to 0.1 %; a rise of more than 3 % fails a test.",
        "",
        *_counts_table(result["counts"]),
        "",
        "`reference` files have random weights in the default shape (300/300/400), `small` ones in 48/128/128, written by the",
        "exporter as it is now. After kdbuild's own engine stands the instruction set that it took.",
        "",
        "## Golden texts",
        "",
        "Each artefact's golden texts, answered by the ARM64 builds of the engines and compared with the golden logits, which",
        "an x86-64 processor computed. `max` is a processor with all that the emulator knows, SVE2 and SME among it.",
        "",
        *_golden_table(result["golden"]),
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in result["versions"].items()) + ".",
        "",
        "```",
        "python -m benchmarks.arm64 setup",
        "python -m benchmarks.arm64 count --record",
        "python -m benchmarks.arm64 golden --record [FOLDER ...]  # of the repository, or others such as those of sst2.py",
        "```",
    ]
    return "".join(line + "\n" for line in lines)


def _counts_table(counts: Counts) -> list[str]:
    lengths = sorted(
        {int(tokens) for entry in counts.values() for by in entry["instructions"].values() for tokens in by}
    )
    rows = [
        "| model | bytes | engine | processor |" + "".join(f" {length} tokens |" for length in lengths),
        "|---|---|---|---|" + "---|" * len(lengths),
    ]
    for model, entry in counts.items():
        for cpu, by_tokens in entry["instructions"].items():
            cells = [f"{by_tokens[str(n)] / 1e6:.2f} M" if str(n) in by_tokens else "" for n in lengths]
            row = [f"`{model}`", f"{entry['bytes']:,}", entry["engine"], cpu, *cells]
            rows.append("| " + " | ".join(row) + " |")
    return rows


def _golden_table(golden: Mapping[str, Any]) -> list[str]:
    rows = [
        "| artefact | file | engine | processor | texts | other token ids | other labels | max Δ logit | allowed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for artefact, entry in golden.items():
        for cpu, files in entry["replays"].items():
            for name, found in files.items():
                cells = [artefact, f"`{name}`", found["engine"], cpu, found["texts"], found["wrong_ids"]]
                cells += [found["wrong_labels"], f"{found['max_difference']:.2g}", f"{found['tolerance']:g}"]
                rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return rows
