"""What a benchmark compares: each contender is described here and made in a process of its own.

A description names a factory, ``package.module:function``. The process calls it with the contender's arguments and with
``threads``, and gets a :class:`Loaded` object. The factory's module has to be importable there: by the same Python if
``python`` is None, or by that of another environment, in which kdbuild needn't be installed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from kdbuild.errors import BadInputError, nearest
from kdbuild.measure.reference_models.shapes import SHAPES, Shape
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.engines.registry import ENGINES

Family = Literal["kdbuild", "transformer", "baseline", "naive export"]

_PRECISIONS = ("fp32", "int8")


class Loaded(Protocol):
    """What a factory returns. Class indices are those of the artefact's labels; of several labels a text, bit i is label i."""

    parameters: int | None
    """Number of weights; None where it isn't known, or there are none."""
    size_bytes: int
    """Bytes of the model file and the vocabulary that it needs, or of the parameters of a model that has no file."""

    def __call__(self, text: Any, /) -> int:
        """The class of a text, or of a pair as a list of two, as an application would ask for it."""
        ...

    def encode(self, text: Any, /) -> Any:
        """What :meth:`run` takes of a text or pair."""
        ...

    def run(self, encoded: Any, /) -> int:
        """The class of an encoded text."""
        ...

    def tokens(self, encoded: Any, /) -> int:
        """Number of tokens of an encoded text, as it counts them: what it has ids for, words or pieces."""
        ...


@dataclass(frozen=True)
class Contender:
    """One line of the table, before anything is measured."""

    name: str
    """Its name in tables and plots; no two have the same."""
    family: Family
    factory: str
    """``package.module:function``."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the factory is called with, besides ``threads``; anything that JSON can hold."""
    prepare: str = ""
    """A function that is called with the same arguments, in a process of its own, before anything is measured."""
    python: str | None = None
    """The Python interpreter that runs it; this one if None."""
    folders: tuple[str, ...] = ()
    """Put in front of the places that it imports modules from."""
    slow: bool = False
    """Whether one text takes tens of milliseconds: it is started once and timed on few texts."""
    trained: bool = True
    """Whether its answers mean something. Those of random weights don't: their accuracy isn't measured."""
    file: str | None = None
    """The artefact's model file, where it is one."""
    skipped: str = ""
    """Why it isn't run, if it isn't."""
    quoted_accuracy: float | None = None
    """What the literature says of it on SST-2, 0 to 1."""
    quoted_source: str = ""
    note: str = ""
    """What a reader of the table should know."""


def artefact_contenders(folder: Path, *, trusted: Collection[str] = ()) -> list[Contender]:
    """The model files of an artefact that kdbuild runs.

    Args:
        folder: the artefact.
        trusted: engines that are only used where they are named, and may be used here.

    Raises:
        BadInputError: the folder isn't an artefact.
    """
    contenders = []
    for file in Artefact.open(folder).manifest.models:
        row = ENGINES[file.engine]
        if row.use == "verify":
            continue
        skipped = ""
        if row.use == "named" and row.name not in trusted:
            skipped = f"runs only with --trust {row.name}, as {row.caution}"
        contenders.append(
            Contender(
                name=f"{row.title} {file.precision}",
                family="kdbuild",
                factory="kdbuild.measure.artefact_model:open_model",
                arguments={"folder": str(folder.resolve()), "file": file.name},
                file=file.name,
                skipped=skipped,
            )
        )
    return contenders


def known_contenders(names: Iterable[str], tokenizer: Path) -> list[Contender]:
    """Those that ``kdbuild benchmark --against`` knows by name, each once.

    Args:
        names: of :data:`KNOWN`, or ``none`` alone.
        tokenizer: folder of a WordPiece tokenizer with BERT's vocabulary.

    Raises:
        BadInputError: a name is unknown, or stands beside ``none``.
    """
    wanted = list(dict.fromkeys(names))
    check_names(wanted)
    return [KNOWN[name](str(tokenizer.resolve())) for name in wanted if name != "none"]


def check_names(names: Iterable[str]) -> None:
    """Make sure that contenders of these names are known.

    Raises:
        BadInputError: one isn't, or stands beside ``none``.
    """
    wanted = list(names)
    for name in wanted:
        if name not in (*KNOWN, "none"):
            raise BadInputError(f"--against {name}: no such contender. {nearest(name, [*KNOWN, 'none'])}")
    if "none" in wanted and len(set(wanted)) > 1:
        raise BadInputError(
            f"--against {','.join(wanted)}: 'none' excludes all others. Leave it out, or give it alone."
        )


def _torch(shape: Shape) -> Callable[[str], Contender]:
    def make(tokenizer: str) -> Contender:
        return Contender(
            name=shape.title,
            family="transformer",
            factory="kdbuild.measure.reference_models.bert:open_transformer",
            arguments={"architecture": shape.architecture, "settings": shape.settings, "tokenizer": tokenizer},
            slow=shape.slow,
            trained=False,
            quoted_accuracy=shape.sst2,
            quoted_source=shape.sst2_source,
            note=f"torch fp32, random weights, drawn at each start; shape of {shape.source}",
        )

    return make


def _onnx(shape: Shape, precision: str) -> Callable[[str], Contender]:
    def make(tokenizer: str) -> Contender:
        arguments = {
            "architecture": shape.architecture,
            "settings": shape.settings,
            "precision": precision,
            "tokenizer": tokenizer,
        }
        return Contender(
            name=f"{shape.title}, ONNX{'' if precision == 'fp32' else ' int8'}",
            family="transformer",
            factory="kdbuild.measure.reference_models.onnx_model:open_onnx",
            arguments=arguments,
            prepare="kdbuild.measure.reference_models.onnx_transformer:prepare_onnx",
            slow=shape.slow,
            trained=False,
            # In fp32 it computes what the model in torch does; of int8 no paper speaks.
            quoted_accuracy=shape.sst2 if precision == "fp32" else None,
            quoted_source=shape.sst2_source if precision == "fp32" else "",
            note=f"ONNX Runtime, {precision}{', dynamic' if precision == 'int8' else ''}, random weights; "
            f"shape of {shape.source}",
        )

    return make


KNOWN: dict[str, Callable[[str], Contender]] = {
    **{name: _torch(shape) for name, shape in SHAPES.items()},
    **{
        f"{name}-onnx{'' if precision == 'fp32' else '-int8'}": _onnx(SHAPES[name], precision)
        for name in ("bert-large", "distilbert")
        for precision in _PRECISIONS
    },
}
"""Contenders by name, each made from the folder of a tokenizer."""
