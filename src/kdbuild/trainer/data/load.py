"""From the user's files to the two splits of a run folder."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import Rows, split_labels
from kdbuild.runtime.data.spelling import one_spelling
from kdbuild.trainer.data.balance import class_counts
from kdbuild.trainer.data.classes import assign, check_names, match_by_name, ordered
from kdbuild.trainer.data.hold_out import hold_out
from kdbuild.trainer.data.oddities import unspaced_script
from kdbuild.trainer.data.sources import Source
from kdbuild.trainer.data.split import Data, Split, to_split
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import DataOptions

Ask = Callable[[Split], npt.NDArray[np.float32]]
"""Returns a teacher's logits ``[rows, classes]``."""
MOST_ASKED = 1000
"""Rows that are to say which label is which class."""
_FEW = 0.01
"""Share of the texts up to which one in a script without blanks isn't worth a word."""


def load_data(source: Source, options: DataOptions, teacher_names: Sequence[str] | None = None) -> Data:
    """Read the user's data and make splits of it; see :func:`read_parts` and :func:`make_data`."""
    return make_data(source, read_parts(source, options), options, teacher_names)


def read_parts(source: Source, options: DataOptions) -> list[Rows]:
    """Read the rows of train and, where there is one, of dev.

    Raises:
        BadInputError: a part can't be read.
    """
    return [part.read(options) for part in source.parts]


def make_data(
    source: Source,
    rows: Sequence[Rows],
    options: DataOptions,
    teacher_names: Sequence[str] | None = None,
    ask: Ask | None = None,
    *,
    in_words: bool = False,
) -> Data:
    """Check the user's rows, tokenise them, and hold some out if there is no dev part.

    Args:
        source: names the parts, for messages.
        rows: what :func:`read_parts` read of it.
        options: columns, several labels or one, and the share to hold out.
        teacher_names: the classes of a teacher that is fine-tuned already.
        ask: returns its logits, for classes that aren't named like the labels.
        in_words: whether the student will read whole words, so that a script without blanks is worth a warning.

    Raises:
        BadInputError: the data can't be trained on; the message says why.
    """
    titles = [part.title for part in source.parts]
    for title, part in zip(titles, rows, strict=True):
        if part.labels is None and part.scores is None:
            raise BadInputError(
                f"{title}: has texts but neither '{options.label_column}' nor 'scores'. {_way_to_labels(part)}"
            )
        if (part.pairs is None) != (rows[0].pairs is None):
            raise BadInputError(
                f"{title}: train and dev must both have '{options.pair_column}', or neither. Correct one of them."
            )
    rows = [
        one_spelling(title, part, multi_label=options.multi_label) for title, part in zip(titles, rows, strict=True)
    ]
    labels, said = _labels(titles[0], rows[0], options, teacher_names, ask)
    splits = [to_split(title, part, labels, options.multi_label) for title, part in zip(titles, rows, strict=True)]
    for title, part, split in zip(titles, rows, splits, strict=True):
        _check_tokens(title, split)
        if part.labels is not None and split.scores is not None:
            _check_scores(title, split, len(labels))
    name = source.parts[0].name
    warnings = [*said, *(_unspaced(name, splits[0]) if in_words else []), *_conflicts(name, splits[0])]
    if len(splits) == 2:
        train, dev = splits
        lacking = [*_unseen(labels, train, dev), *_unmeasured(labels, train, dev)]
        return Data(labels, train, dev, [*warnings, *_overlap(train, dev), *lacking])
    kept, held_out, dropped = hold_out(splits[0], options.holdout, options.seed, labels)
    if dropped:
        warnings.append(f"{dropped} rows left out of train: each is a phrase of a held-out row, or the same text.")
    train, dev = splits[0].take(kept), splits[0].take(held_out)
    return Data(labels, train, dev, [*warnings, *_unmeasured(labels, train, dev)])


def _way_to_labels(rows: Rows) -> str:
    """Say where the labels may be in rows that seem to have none."""
    if len(rows.columns) < 2:
        return "Add one of these columns."
    named = ", ".join(repr(name) for name in rows.columns[:20])
    return f"Its columns are {named}: name the one with the labels, --label-column NAME."


def _labels(
    name: str, train: Rows, options: DataOptions, teacher_names: Sequence[str] | None, ask: Ask | None
) -> tuple[list[str], list[str]]:
    """Return the classes in order, and what there is to say of it."""
    check_names(teacher_names or [], multi_label=options.multi_label)
    if train.labels is None:
        classes = len((train.scores or [[]])[0])
        if teacher_names and len(teacher_names) != classes:
            raise BadInputError(f"{name}: {classes} scores a row, the teacher has {len(teacher_names)} classes.")
        return list(teacher_names or map(str, range(classes))), []
    if options.multi_label:
        values = {label for cell in train.labels for label in split_labels(cell)}
        if len(values) < 2:
            raise BadInputError(f"{name}: {len(values)} labels in all rows together. Two at least are needed.")
    else:
        values = set(train.labels)
        if len(values) < 2:
            raise BadInputError(
                f"{name}: every row has the label {train.labels[0]!r}. Two classes at least are needed."
            )
    labels = ordered(values)
    if not teacher_names:
        return labels, []
    matched = match_by_name(values, teacher_names)
    if matched:
        return matched, []
    if len(values) != len(teacher_names):
        raise BadInputError(
            f"the data has {len(values)} labels ({', '.join(labels[:5])}) and the teacher {len(teacher_names)} classes. "
            "Use a teacher for these labels, or an encoder that is fine-tuned here."
        )
    both = (
        f"the teacher's classes ({', '.join(teacher_names[:5])}) aren't named like the labels ({', '.join(labels[:5])})"
    )
    if options.multi_label or ask is None:
        raise BadInputError(f"{both}. Rename the labels, or use an encoder that is fine-tuned here.")
    return _suggested(both, name, train, labels, teacher_names, options, ask)


def _suggested(
    both: str,
    name: str,
    train: Rows,
    labels: list[str],
    teacher_names: Sequence[str],
    options: DataOptions,
    ask: Ask,
) -> tuple[list[str], list[str]]:
    """Return the labels in the order of the teacher's classes that its answers suggest, and say so."""
    rows = np.random.default_rng([options.seed, 4]).permutation(len(train))[:MOST_ASKED].tolist()
    taken = replace(
        train,
        texts=[train.texts[row] for row in rows],
        labels=[train.labels[row] for row in rows] if train.labels else None,
        scores=None,
        pairs=[train.pairs[row] for row in rows] if train.pairs else None,
    )
    split = to_split(name, taken, labels, False)
    found = assign(labels, split.targets, ask(split))
    if not found.is_plain:
        raise BadInputError(
            f"{both}, and {len(rows):,} rows don't say which is which: the best assignment agrees with "
            f"{found.agreement:.1%} of them, the next with {found.runner_up:.1%}, and the commonest label has "
            f"{found.majority:.1%}. Rename the labels, or use an encoder that is fine-tuned here."
        )
    pairs = ", ".join(f"{label!r} is {other!r}" for label, other in zip(found.labels, teacher_names, strict=True))
    return found.labels, [f"{both}; as {found.agreement:.1%} of {len(rows):,} rows suggest, {pairs}."]


def _check_scores(title: str, split: Split, classes: int) -> None:
    """Refuse scores whose columns are in another order than the classes.

    Raises:
        BadInputError: the highest score agrees with the label less often than by chance; of several labels, those that are
            given don't have higher scores than the others.
    """
    scores = np.zeros((len(split), classes)) if split.scores is None else split.scores
    if split.targets.ndim == 2:
        given, others = scores[split.targets == 1], scores[split.targets == 0]
        if len(given) and len(others) and given.mean() < others.mean():
            raise BadInputError(
                f"{title}: labels that are given have lower scores than the others. Write the scores in the labels' order."
            )
        return
    agreed = float((scores.argmax(axis=1) == split.targets).mean())
    if agreed < 1 / classes:
        raise BadInputError(
            f"{title}: the highest score is that of the label in {agreed:.1%} of the rows, less than by chance. "
            "Write the scores in the labels' order: sorted, or as the teacher has its classes."
        )


def _check_tokens(title: str, split: Split) -> None:
    """Refuse texts of which nothing can be read.

    Raises:
        BadInputError: no row has a token.
    """
    if not any(split.tokens) and not any(split.pair_tokens or []):
        raise BadInputError(f"{title}: none of its texts has a token. Check the column of the texts.")


def _unspaced(name: str, split: Split) -> list[str]:
    scripts = Counter(filter(None, map(unspaced_script, split.tokens)))
    count = scripts.total()
    if count <= _FEW * len(split):
        return []
    return [
        f"{name}: {count:,} of {len(split):,} texts are in {', '.join(sorted(scripts))}, whose words no blanks separate: a "
        "sentence comes out as one token, of which nothing can be learned. Use --tokenizer pieces, or put blanks between "
        "the words."
    ]


def _conflicts(name: str, split: Split) -> list[str]:
    seen: dict[RowText, set[bytes]] = defaultdict(set)
    for text, target in zip(split.row_texts(), split.targets, strict=True):
        seen[text].add(target.tobytes())
    count = sum(len(targets) > 1 for targets in seen.values())
    what = "1 text stands" if count == 1 else f"{count:,} texts stand"
    return (
        [
            f"{name}: {what} there with different labels; all rows are kept. Where a stage reads a text once, its commonest "
            "label counts, and of equally common ones none."
        ]
        if count
        else []
    )


def _overlap(train: Split, dev: Split) -> list[str]:
    seen = set(train.row_texts())
    count = sum(text in seen for text in dev.row_texts())
    return [f"{count} dev rows also stand in train: what is measured on dev is too good."] if count else []


def _unseen(labels: Sequence[str], train: Split, dev: Split) -> list[str]:
    names = _only_in(labels, dev, train)
    return [f"dev has labels that train lacks: {names}. They can't be learned."] if names else []


def _unmeasured(labels: Sequence[str], train: Split, dev: Split) -> list[str]:
    names = _only_in(labels, train, dev)
    return [f"train has labels that dev lacks: {names}. How well they are learned isn't measured."] if names else []


def _only_in(labels: Sequence[str], here: Split, there: Split) -> str:
    """List the labels that one split has and the other lacks, 20 of them at most."""
    counts, others = (class_counts(split.targets, len(labels)) for split in (here, there))
    names = [repr(label) for label, lacking in zip(labels, (counts > 0) & (others == 0), strict=True) if lacking]
    return ", ".join(names[:20]) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")
