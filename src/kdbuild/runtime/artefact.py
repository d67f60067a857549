"""The artefact folder: what the exporter writes, the runtime reads, and an app embeds.

========================  =============================================================================================
``manifest.json``         everything a reader must know; see :class:`Manifest`
``manifest.sha256``       digest of ``manifest.json``, in hex
``vocab.txt``             one token or piece a line, the line number is the id; 0 ``<pad>``, 1 ``<unk>``, 2 ``<mask>``
``labels.txt``            one label a line
``golden.jsonl``          texts with token ids, logits per model file and label or labels, to prove an engine by
``model_int8.tflite`` …   model files, any non-empty subset of those that the engines run
``README.md``             model card
========================  =============================================================================================

Format policy: ``format_version`` is ``major.minor``. A reader refuses a newer major, and reads every older one. An artefact has
the lowest version that describes it.
1.1 brought texts with several labels: ``task`` ``multi``, which an older reader refuses, and ``thresholds``; and
``threshold``, without which an older reader always answers. 1.2 brought ``parts``, the bytes of a model file by what they are
for, which older readers ignore. The version of the tokenizer's rules is the manifest's ``tokenizer.version``: a reader that
doesn't know it refuses the artefact, so that version 2, which cuts words into pieces, needed no other format. 2.0 brought
``pairs``: students that read two texts, of which an older reader would give the model one.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.runtime.engines.registry import ENGINES, PRECISIONS, ModelFile, model_files
from kdbuild.runtime.text.encoding import VERSIONS

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_MAJOR = 2
_SINGLE_FORMAT, _PAIRS_FORMAT = "1.2", "2.0"
MANIFEST, MANIFEST_DIGEST, VOCABULARY, LABELS = "manifest.json", "manifest.sha256", "vocab.txt", "labels.txt"
GOLDEN, MODEL_CARD = "golden.jsonl", "README.md"

_LARGEST_MANIFEST = 1 << 20
_NOTHING: dict[str, Any] = {}


class Manifest(NamedTuple):
    """What ``manifest.json`` says. The values by default aren't to be changed."""

    labels: list[str]
    """Names of the classes, in the order of the logits."""
    max_tokens: int
    """Tokens that a text, or each text of a pair, is cut to; with tokenizer version 2, pieces."""
    tokenizer: dict[str, Any]
    """``version`` of the tokenizer's rules, ``unicode`` version of its tables, ``sha256`` of ``vocab.txt``."""
    files: dict[str, dict[str, Any]]
    """``bytes`` and ``sha256`` of every other file of the folder, by name; of a model file perhaps ``parts``, how many bytes
    are for what."""
    task: str = "single"
    """``single``: one label a text; ``multi``: any number of them, none included."""
    thresholds: list[float] | None = None
    """For ``multi``: the probability from which each label is given, between 0 and 1, both excluded."""
    threshold: float | None = None
    """For ``single``: the probability below which the runtime abstains; None: it always answers."""
    temperature: float = 1.0
    """Logits are divided by it before the softmax, or, for ``multi``, before the logistic function of each."""
    student: dict[str, Any] = _NOTHING
    """Shape of the model."""
    metrics: dict[str, Any] = _NOTHING
    """What was measured at export, per model file."""
    provenance: dict[str, Any] = _NOTHING
    """Versions, seed and options that the model came from."""
    pairs: bool = False
    """Whether it reads two texts, and says how one is to the other."""
    format_version: str = _SINGLE_FORMAT

    @classmethod
    def make(cls, **values: Any) -> "Manifest":
        """Return the manifest of a new artefact, in the lowest format that describes it."""
        return cls(**values, format_version=_PAIRS_FORMAT if values.get("pairs") else _SINGLE_FORMAT)

    @property
    def models(self) -> list[ModelFile]:
        """The model files that are listed and that an engine runs, in the order of preference."""
        return [file for file in model_files() if file.name in self.files]

    def to_bytes(self) -> bytes:
        """The content of ``manifest.json``."""
        from kdbuild.json_text import json_text  # what only reads an artefact doesn't need it

        values = self._asdict()
        if not self.pairs:
            del values["pairs"]
        return (json_text(values, indent=2, sort_keys=True) + "\n").encode("utf-8")

    @classmethod
    def from_bytes(cls, content: bytes, path: "str | Path") -> "Manifest":
        """Read and check the content of ``manifest.json``.

        Raises:
            BadInputError: it isn't a manifest that this version can read.
        """
        try:
            value = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise BadInputError(f"{path}: not valid JSON ({error}). Export the artefact again.") from None
        if not isinstance(value, dict):
            raise BadInputError(f"{path}: not a JSON object. Export the artefact again.")
        major, _, minor = str(value.get("format_version")).partition(".")
        numbers = all(part.isascii() and part.isdecimal() and len(part) <= 100 for part in (major, minor))
        if not numbers:
            raise BadInputError(
                f"{path}: format_version {value.get('format_version')!r} is no version. Export it again."
            )
        if int(major) > FORMAT_MAJOR:
            raise BadInputError(
                f"{path}: format_version {major}.{minor} is newer than this kdbuild reads (up to {FORMAT_MAJOR}.x). "
                "Upgrade kdbuild."
            )
        tokenizer = value.get("tokenizer")
        version = tokenizer.get("version") if isinstance(tokenizer, dict) else None
        newest = max(VERSIONS)
        if isinstance(version, int) and version > newest:
            raise BadInputError(
                f"{path}: tokenizer version {version} is newer than this kdbuild reads (up to {newest}). Upgrade kdbuild."
            )
        manifest = cls(
            **{"labels": [], "max_tokens": 0, "tokenizer": {}, "files": {}}
            | {k: v for k, v in value.items() if k in cls._fields}
        )
        problem = manifest._problem()
        if problem:
            raise BadInputError(f"{path}: {problem}. Export the artefact again.")
        return manifest

    def _problem(self) -> str | None:
        """What is wrong with the values, if anything."""
        labels = self.labels
        if (
            not isinstance(labels, list)
            or len(labels) < 2
            or not all(isinstance(label, str) and label for label in labels)
        ):
            return "labels must be a list of at least two names"
        if len(set(labels)) != len(labels):
            return "labels must differ"
        if not _is_number(self.max_tokens, int) or not 1 <= self.max_tokens <= 1_000_000:
            return f"max_tokens {self.max_tokens!r} must be a whole number from 1 to 1000000"
        if not _is_number(self.temperature, (int, float)) or not 1e-6 <= self.temperature <= 1e6:
            return f"temperature {self.temperature!r} must be a positive number"
        if self.task not in ("single", "multi"):
            return f"task {self.task!r} is not one that this version knows (single, multi)"
        if self.task == "single" and self.thresholds is not None:
            return "thresholds are for task 'multi', and its task is 'single'"
        if self.task == "multi" and not _are_thresholds(self.thresholds, len(labels)):
            return f"thresholds must be {len(labels)} numbers between 0 and 1, one for each label"
        if not isinstance(self.pairs, bool) or (self.pairs and self.format_version.startswith("1.")):
            return f"pairs {self.pairs!r} must be true or false, and needs format_version 2"
        if self.threshold is not None and not (_is_number(self.threshold, (int, float)) and 0 < self.threshold < 1):
            return f"threshold {self.threshold!r} must be a number between 0 and 1"
        version = self.tokenizer.get("version") if isinstance(self.tokenizer, dict) else None
        if not _is_number(version, int) or version not in VERSIONS:
            return f"tokenizer must have version {' or '.join(map(str, VERSIONS))}"
        if not isinstance(self.files, dict):
            return "files must be an object"
        for name, entry in self.files.items():
            if not name or "/" in name or "\\" in name or name.startswith("."):
                return f"files names {name!r}, which isn't a plain file name"
            if not (
                isinstance(entry, dict) and _is_number(entry.get("bytes"), int) and isinstance(entry.get("sha256"), str)
            ):
                return f"files[{name!r}] must have bytes and sha256"
        if not {VOCABULARY, LABELS} <= self.files.keys():
            return f"files must list {VOCABULARY} and {LABELS}"
        if not self.models:
            runs = [name for row in ENGINES if row.use != "verify" for name in row.files]
            return f"files lists no model that this version runs ({', '.join(runs)})"
        return None


def is_kind(path: str, kind: Callable[[int], bool] = bool) -> bool:
    """Whether there is something of a kind; ``os.path`` says that there is nothing where nobody may look.

    Args:
        path: where it may be.
        kind: such as :func:`stat.S_ISDIR`; anything by default.

    Raises:
        OSError: the system doesn't tell.
    """
    try:
        return kind(os.stat(path).st_mode)
    except ValueError:  # a null character
        return False
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return False


def _repair(folder: str) -> None:
    """Put back an artefact that was being replaced when the export was killed."""
    from contextlib import suppress
    from pathlib import Path

    from kdbuild.files import repair_folder  # an artefact that is whole needs neither

    with suppress(OSError):
        repair_folder(Path(folder))


def _is_half_filled(folder: str) -> bool:
    from pathlib import Path

    from kdbuild.files import interrupted_fill

    return interrupted_fill(Path(folder)) is not None


def files_of_artefact(folder: "Path") -> list[str]:
    """Return the files of an artefact: those that the manifest lists, and its own; none if the folder is no artefact."""
    try:
        return [MANIFEST, MANIFEST_DIGEST, *Artefact.open(folder).manifest.files]
    except BadInputError:
        return []


def _way_out(folder: str) -> str:
    import shlex  # an answer doesn't need it

    return f"Make one with: kdbuild export RUN --out {shlex.quote(folder)}"


def write_manifest(folder: "Path", content: bytes) -> None:
    """Write ``manifest.json`` and the digest that goes with it."""
    (folder / MANIFEST).write_bytes(content)
    (folder / MANIFEST_DIGEST).write_text(hashlib.sha256(content).hexdigest() + "\n", encoding="ascii")


def _is_number(value: object, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _are_thresholds(values: object, labels: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == labels
        and all(isinstance(value, float) and 0 < value < 1 for value in values)
    )


def file_entry(content: bytes) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


class Artefact:
    """An artefact folder whose manifest was read and found whole; other files are checked when they are read."""

    def __init__(self, folder: "str | Path", manifest: Manifest):
        self._folder = os.fspath(folder)
        self.manifest = manifest

    @property
    def folder(self) -> "Path":
        """Where it is."""
        from pathlib import Path  # takes longer to import than all the rest of this module: an answer does without

        return Path(self._folder)

    def path(self, name: str) -> str:
        """Where a file of it is."""
        return os.path.join(self._folder, name)

    @classmethod
    def open(cls, folder: "str | Path") -> "Artefact":
        """Read the manifest.

        Raises:
            BadInputError: the folder isn't an artefact, or its manifest is damaged or of an unknown version.
        """
        folder = os.fspath(folder)
        if ".." not in folder:  # what is above a link is another folder
            folder = os.path.normpath(folder)
        path, digest = os.path.join(folder, MANIFEST), os.path.join(folder, MANIFEST_DIGEST)
        if not is_kind(folder, stat.S_ISDIR):
            _repair(folder)
        if not is_kind(folder, stat.S_ISDIR):
            raise BadInputError(f"{folder}: no such artefact folder. {_way_out(folder)}")
        if not is_kind(digest) and _is_half_filled(folder):
            raise BadInputError(f"{folder}: an export into it was interrupted. Run the export again.")
        if not is_kind(path, stat.S_ISREG):
            raise BadInputError(f"{folder}: not an artefact (no {MANIFEST}). {_way_out(folder)}")
        if os.path.getsize(path) > _LARGEST_MANIFEST:
            raise BadInputError(
                f"{path}: over {_LARGEST_MANIFEST} bytes, so no manifest of ours. Export the artefact again."
            )
        with open(path, "rb") as file:
            content = file.read()
        try:
            with open(digest, "rb") as file:
                stated = file.read(200)
        except FileNotFoundError:
            raise BadInputError(f"{folder}: {MANIFEST_DIGEST} is missing. Export the artefact again.") from None
        if hashlib.sha256(content).hexdigest().encode() + b"\n" != stated:
            raise BadInputError(
                f"{path}: its sha256 isn't the one in {MANIFEST_DIGEST}: it was changed. Export the artefact again."
            )
        return cls(folder, Manifest.from_bytes(content, path))

    def read(self, name: str) -> bytes:
        """The content of a file of the artefact.

        Raises:
            BadInputError: the manifest doesn't list it, it is missing, or it isn't what the manifest says.
        """
        return self._checked(name, keep=True)

    def check(self, name: str) -> "Path":
        """Check a file of the artefact without holding it in memory, in half the time that :meth:`read` takes.

        Returns:
            Its path.

        Raises:
            BadInputError: as :meth:`read`.
        """
        self._checked(name, keep=False)
        return self.folder / name

    def _checked(self, name: str, *, keep: bool) -> bytes:
        """The content of a file that is what the manifest says; nothing of it unless it is to be kept."""
        path = self.path(name)
        entry = self.manifest.files.get(name)
        if entry is None:
            raise BadInputError(
                f"{self.folder}: its manifest lists no {name}. It has: {', '.join(self.manifest.files)}."
            )
        content, digest = b"", ""
        try:
            size = os.path.getsize(path)
            if size == entry["bytes"]:
                with open(path, "rb") as file:
                    content = file.read() if keep else b""
                    digest = (hashlib.sha256(content) if keep else hashlib.file_digest(file, "sha256")).hexdigest()
        except OSError as error:
            raise BadInputError(f"{path}: can't be read ({error.strerror}). Export the artefact again.") from None
        self._compare(name, size, digest)
        return content

    def check_content(self, name: str, content: bytes | memoryview) -> None:
        """Check what was read of a file that the manifest lists.

        Raises:
            BadInputError: it isn't what the manifest says.
        """
        size = memoryview(content).nbytes
        whole = size == self.manifest.files[name]["bytes"]
        self._compare(name, size, hashlib.sha256(content).hexdigest() if whole else "")

    def _compare(self, name: str, size: int, digest: str) -> None:
        entry, path = self.manifest.files[name], self.path(name)
        if size != entry["bytes"]:
            raise BadInputError(
                f"{path}: {size} bytes instead of {entry['bytes']}: it was changed. Export the artefact again."
            )
        if digest != entry["sha256"]:
            raise BadInputError(f"{path}: its sha256 isn't the manifest's: it was changed. Export the artefact again.")

    def model_file(self, precision: str | None = None, engine: str | None = None) -> ModelFile:
        """Choose the model file to run.

        Args:
            precision: ``int8`` or ``fp32``; int8 where there is one if None.
            engine: whose file; if None, the fastest that is installed. Engines whose files need caution are only taken
                where they are named.

        Raises:
            BadInputError: the artefact has no such file, or there is no such engine.
            MissingExtraError: it has, but none of the engines that run them is installed.
        """
        chosen = None if engine is None else ENGINES[engine].name
        wanted = [
            file
            for kind in PRECISIONS
            for file in self.manifest.models
            if file.precision == kind and precision in (None, kind)
            if (ENGINES[file.engine].use == "auto" if chosen is None else file.engine == chosen)
        ]
        for file in wanted:
            if chosen is not None or ENGINES[file.engine].is_installed:
                return file
        if wanted:
            from kdbuild.requirements import remedy  # an answer doesn't need it

            commands = " or ".join(dict.fromkeys(remedy(ENGINES[file.engine].extra) for file in wanted))
            raise MissingExtraError(
                f"{self.folder}: no engine that runs its models is installed. Install one: {commands}"
            )
        there = [file.name for file in self.manifest.models if ENGINES[file.engine].use != "verify"]
        if not there:
            only, preferred = self.manifest.models[0], ENGINES.names[0]
            raise BadInputError(
                f"{self.folder}: its only model is {only.name}, which {ENGINES[only.engine].caution}. "
                f"Export it again, with --format {preferred} as well."
            )
        kind = " ".join(part for part in (precision, engine) if part)
        raise BadInputError(f"{self.folder}: has no {kind or 'safe'} model. It has: {', '.join(there)}.")

    def read_lines(self, name: str) -> Sequence[str]:
        """The lines of a UTF-8 file of the artefact."""
        try:
            return self.read(name).decode("utf-8").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise BadInputError(f"{self.folder / name}: not UTF-8 ({error}). Export the artefact again.") from None
