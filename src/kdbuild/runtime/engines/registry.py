"""The engines: which library runs which model file, and how.

A row says what an engine is; its module is imported when a file is opened with it. Files are recognised by their whole name,
since two kinds of them end in ``.tflite``.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, cast

from kdbuild.registry import Registry, load

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kdbuild.runtime.native.binding import Answer
    from kdbuild.runtime.text.encoding import Encoding

    TokenIds = Sequence[int] | npt.NDArray[np.int32]
    Logits = Sequence[float] | npt.NDArray[np.float32]

Precision = Literal["int8", "fp32"]
"""What the weights of a model file are stored in."""
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
"""The preferred one first."""


class Engine(Protocol):
    """A loaded model file. It may be called from several threads; its calls are independent of each other."""

    name: str
    """The distribution that runs it."""

    def __call__(self, ids: "TokenIds", second: "TokenIds | None" = None, /) -> "Logits":
        """Compute the logits ``[classes]`` of a text's token ids ``[tokens]``, at least one.

        What is given and returned holds 32 bits a number and is an array to numpy, of integers and of floats. Where the model
        reads pairs, the ids of the second text are given, too; nowhere else, so an engine for other models needn't take them.
        """
        ...

    @property
    def version(self) -> str:
        """The version of that distribution."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens that the model knows."""
        ...


class TextEngine(Engine, Protocol):
    """An engine that reads text itself."""

    def answer(self, text: str, second: str = "", /) -> "Answer":
        """Classify a text, or, where the model reads pairs, two."""
        ...

    def encode(self, text: str, /) -> "Encoding":
        """Cut a text into tokens and look them up."""
        ...

    def explain(self, text: str, label: int, second: str = "", /) -> list[float]:
        """Tell how much the probability of a label falls where each word is masked, ``[words of all texts]``."""
        ...


def text_engine(engine: Engine) -> TextEngine | None:
    """The engine itself, if it reads text."""
    return cast(TextEngine, engine) if hasattr(engine, "answer") else None


class ModelFile(NamedTuple):
    """A file that an engine runs."""

    name: str
    precision: Precision
    engine: str
    """The name of the engine's row."""


class EngineRow(NamedTuple):
    """What kdbuild knows of an engine without importing it."""

    name: str
    """What ``--engine`` takes."""
    title: str
    """What tables call it."""
    files: dict[str, Precision]
    """The model files that it runs, the preferred one first, with what their weights are stored in."""
    modules: tuple[str, ...]
    """Modules of which one must be installed."""
    extra: str
    """The extra of kdbuild that brings one of them."""
    help: str
    """One line for people."""
    opener: str
    """``"module:object"``, called as :func:`~kdbuild.runtime.engines.open.open_engine` is."""
    use: Literal["auto", "named", "verify"] = "auto"
    """``auto``: chosen where it is installed; ``named``: only where it is named, for the reason that ``caution`` gives;
    ``verify``: for comparing answers alone, since apps run the file with something else."""
    caution: str = ""
    """Why it must be named (``as …``), or what runs its files in apps (``which …``), for messages."""
    operators: str = ""
    """``"module:object"`` of a function that lists the operators of a file's main graph, where there is one."""
    holds_vocabulary: bool = False
    """Whether its files hold the vocabulary; else an app ships ``vocab.txt`` beside them."""
    checks: bool = False
    """Whether opening a file checks its digest, since all of it is read anyway; else the caller does."""
    available: str = ""
    """``"module:object"`` of a function that tells whether it can run here, of an engine that is no package of its own."""
    tolerance: float | None = None
    """How far a logit may be from its golden value on another processor; by the precision of its weights if None."""
    probe: str = ""
    """``"module:object"`` of a function that computes something small, where there is one. It returns the name and version of
    what ran, or raises."""

    @property
    def is_installed(self) -> bool:
        """Whether one of its modules is there; none is imported."""
        if self.available:
            return bool(load(self.available)())
        from importlib.util import find_spec

        return any(find_spec(module) is not None for module in self.modules)


ENGINES = Registry(
    "engine",
    EngineRow(
        name="native",
        title="native",
        files={"model_int8.kdb": "int8"},
        modules=(),
        extra="cross",
        help="kdbuild's own, with the same answer bit by bit on every processor",
        opener="kdbuild.runtime.engines.native:open_native",
        holds_vocabulary=True,
        checks=True,
        available="kdbuild.runtime.native.library:is_available",
        tolerance=0.0,
        probe="kdbuild.runtime.engines.native:probe",
    ),
    EngineRow(
        name="tflite",
        title="TFLite",
        files={"model_int8.tflite": "int8", "model_fp32.tflite": "fp32"},
        modules=("ai_edge_litert", "tflite_runtime"),
        extra="tflite",
        help="LiteRT, or tflite-runtime where LiteRT isn't installed",
        opener="kdbuild.runtime.engines.tflite:open_tflite",
        operators="kdbuild.runtime.engines.tflite:operators",
        probe="kdbuild.runtime.engines.tflite:probe",
    ),
    EngineRow(
        name="onnx",
        title="ONNX",
        files={"model_int8.onnx": "int8", "model_fp32.onnx": "fp32"},
        modules=("onnxruntime",),
        extra="onnx",
        help="ONNX Runtime",
        opener="kdbuild.runtime.engines.onnx:open_onnx",
        probe="kdbuild.runtime.engines.onnx:probe",
    ),
    EngineRow(
        name="torchscript",
        title="TorchScript",
        files={"model_int8.pt": "int8", "model_fp32.pt": "fp32"},
        modules=("torch",),
        extra="torchscript",
        help="torch",
        opener="kdbuild.runtime.engines.torchscript:open_torchscript",
        use="named",
        caution="such files can carry code",
    ),
    EngineRow(
        name="mediapipe",
        title="MediaPipe",
        files={"model_mediapipe.tflite": "int8"},
        modules=("ai_edge_litert",),
        extra="tflite",
        help="MediaPipe's file on LiteRT, to compare its answers",
        opener="kdbuild.runtime.engines.mediapipe:open_mediapipe",
        holds_vocabulary=True,
        operators="kdbuild.runtime.engines.tflite:operators",
        use="verify",
        caution="MediaPipe runs and kdbuild doesn't",
    ),
)
"""All engines, the fastest first."""


def model_files() -> Iterator[ModelFile]:
    """Every model file that an engine here runs, in the order of preference: by engine, int8 first."""
    for row in ENGINES:
        for name, precision in row.files.items():
            yield ModelFile(name, precision, row.name)


def find_model_file(name: str) -> ModelFile | None:
    """What is known of a model file by its name; None where no engine runs it."""
    return next((file for file in model_files() if file.name == name), None)


def precision_of(name: str) -> Precision:
    """What the weights of a model file are stored in.

    Raises:
        KeyError: no engine runs a file of this name.
    """
    file = find_model_file(name)
    if file is None:
        raise KeyError(name)
    return file.precision
