"""What single texts and labels look like when they were meant as something else."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

_LIST = re.compile(r"\[\s*(['\"]).*\1\s*\]", re.DOTALL)
_BYTES = re.compile(r"b(['\"]).*\1", re.DOTALL)
_MISSING = frozenset({"nan", "null", "none", "na", "n/a", "<na>", "nat", "undefined"})
_UNSPACED = {
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Burmese": "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f",
    "Khmer": "\u1780-\u17ff",
}
_LONGEST_WORD = 15
"""Characters of such a script from which a token is taken for several words; a Thai word has 4 to 5 on average."""
_RUNS = {script: re.compile(f"[{span}]{{{_LONGEST_WORD},}}") for script, span in _UNSPACED.items()}
_ANY_RUN = re.compile("|".join(run.pattern for run in _RUNS.values()))


def is_written_value(text: str) -> bool:
    """Tell whether a text looks like a list of strings, or bytes, as Python writes them."""
    return _LIST.fullmatch(text) is not None or _BYTES.fullmatch(text) is not None


def is_missing(text: str) -> bool:
    """Tell whether a text is what programs write where there is none."""
    return text.strip().casefold() in _MISSING


def is_missing_label(label: str) -> bool:
    """Tell the same of a label, of which ``none`` and ``NA`` are often names."""
    return is_missing(label) and label.strip().casefold() not in ("none", "na", "n/a")


def unspaced_script(tokens: Iterable[str]) -> str | None:
    """Return the script whose words are written without blanks and came out as one token, if there is one."""
    for token in tokens:
        if len(token) >= _LONGEST_WORD and (found := _ANY_RUN.search(token)):
            return next(script for script, run in _RUNS.items() if run.match(found.group()))
    return None


def similar_labels(labels: Sequence[str]) -> list[list[str]]:
    """Return groups of labels that differ in case, blanks, quotes, underscores, leading zeros or a last stop alone."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        groups[_bare(label)].append(label)
    return [same for same in groups.values() if len(same) > 1]


def _bare(label: str) -> str:
    bare = re.sub(r"[\s_'\"]", "", unicodedata.normalize("NFKC", label).casefold()).rstrip(".,;:!") or label
    return str(int(bare)) if bare.isdecimal() else bare
