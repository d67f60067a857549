"""From the user's files to the two splits of a run folder."""

from collections import defaultdict
from collections.abc import Sequence

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import Rows, split_labels
from kdbuild.trainer.data.hold_out import hold_out
from kdbuild.trainer.data.sources import Source
from kdbuild.trainer.data.split import Data, Split, label_names, to_split
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import DataOptions


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
    source: Source, rows: Sequence[Rows], options: DataOptions, teacher_names: Sequence[str] | None = None
) -> Data:
    """Check the user's rows, tokenise them, and hold some out if there is no dev part.

    Args:
        source: names the parts, for messages.
        rows: what :func:`read_parts` read of it.
        options: columns, several labels or one, and the share to hold out.
        teacher_names: the classes of a teacher that is fine-tuned already.

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
    labels = _labels(titles[0], rows[0], options, teacher_names)
    splits = [to_split(title, part, labels, options.multi_label) for title, part in zip(titles, rows, strict=True)]
    warnings = _conflicts(source.parts[0].name, splits[0])
    if len(splits) == 2:
        train, dev = splits
        return Data(labels, train, dev, [*warnings, *_overlap(train, dev)])
    kept, held_out, dropped = hold_out(splits[0], options.holdout, options.seed, labels)
    if dropped:
        warnings.append(f"{dropped} rows left out of train: each is a phrase of a held-out row, or the same text.")
    return Data(labels, splits[0].take(kept), splits[0].take(held_out), warnings)


def _way_to_labels(rows: Rows) -> str:
    """Say where the labels may be in rows that seem to have none."""
    if len(rows.columns) < 2:
        return "Add one of these columns."
    named = ", ".join(repr(name) for name in rows.columns[:20])
    return f"Its columns are {named}: name the one with the labels, --label-column NAME."


def _labels(name: str, train: Rows, options: DataOptions, teacher_names: Sequence[str] | None) -> list[str]:
    """Return the classes in order."""
    if train.labels is None:
        classes = len((train.scores or [[]])[0])
        if teacher_names and len(teacher_names) != classes:
            raise BadInputError(f"{name}: {classes} scores a row, the teacher has {len(teacher_names)} classes.")
        return list(teacher_names or map(str, range(classes)))
    if options.multi_label:
        values = {label for cell in train.labels for label in split_labels(cell)}
        if len(values) < 2:
            raise BadInputError(f"{name}: {len(values)} labels in all rows together. Two at least are needed.")
        return label_names(values, teacher_names)
    if len(set(train.labels)) < 2:
        raise BadInputError(f"{name}: every row has the label {train.labels[0]!r}. Two classes at least are needed.")
    return label_names(set(train.labels), teacher_names)


def _conflicts(name: str, split: Split) -> list[str]:
    seen: dict[RowText, set[bytes]] = defaultdict(set)
    for text, target in zip(split.row_texts(), split.targets, strict=True):
        seen[text].add(target.tobytes())
    count = sum(len(targets) > 1 for targets in seen.values())
    return [f"{name}: {count} texts stand there with different labels; all are kept."] if count else []


def _overlap(train: Split, dev: Split) -> list[str]:
    seen = set(train.row_texts())
    count = sum(text in seen for text in dev.row_texts())
    return [f"{count} dev rows also stand in train: what is measured on dev is too good."] if count else []
