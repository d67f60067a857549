"""Every setting of the training side: one frozen dataclass a stage, each field's meaning and unit in its ``help``."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args, get_type_hints

from kdbuild.errors import BadInputError


def option(default: Any, help: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A field with its default, its description and the closed range of its values."""
    return field(default=default, metadata={"help": help, "low": low, "high": high})


class Options:
    """What the option dataclasses share: checked values."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __post_init__(self) -> None:
        """Check every value against its field's type and range.

        Raises:
            BadInputError: a value is out of range or not one of the choices.
        """
        hints = get_type_hints(type(self))
        for spec in dataclasses.fields(self):
            value, name = getattr(self, spec.name), spec.name.replace("_", "-")
            choices = get_args(hints[spec.name]) if hints[spec.name] not in (int, float, str, bool) else ()
            if choices and value not in choices:
                raise BadInputError(f"--{name} {value}: not a choice. Use one of: {', '.join(map(str, choices))}.")
            low, high = spec.metadata["low"], spec.metadata["high"]
            # Written so that NaN fails.
            if (low is not None and not value >= low) or (high is not None and not value <= high):
                bounds = f"at least {low}" if high is None else f"from {low} to {high}"
                raise BadInputError(f"--{name} {value}: out of range. Use a value {bounds}.")


@dataclass(frozen=True)
class DataOptions(Options):
    """How the labelled data is divided."""

    holdout: float = option(
        0.1, "Share of the rows held out when DATA has no dev file (never more than 2,000 rows).", low=0.001, high=0.5
    )
    seed: int = option(0, "Seed of every random choice: split, augmentation, weights, batches.", low=0)


@dataclass(frozen=True)
class TeacherOptions(Options):
    """Fine-tuning of the teacher; one that is fine-tuned already is used as it is."""

    teacher: str = option("bert-large-uncased", "Hugging Face model name or local folder.")
    teacher_epochs: float = option(3.0, "Passes over the labelled rows.", low=0.001)
    teacher_batch_size: int = option(32, "Rows a step.", low=1)
    teacher_learning_rate: float = option(3e-5, "Peak of the learning rate.", low=0)
    teacher_max_pieces: int = option(256, "Word pieces a text is cut to, special tokens included.", low=8, high=512)


@dataclass(frozen=True)
class AugmentOptions(Options):
    """The transfer set (Tang et al. 2019, arXiv 1903.12136)."""

    rounds: int = option(20, "Perturbed copies drawn of each row, before duplicates are removed.", low=0)
    p_mask: float = option(0.1, "Probability that a word is masked.", low=0, high=1)
    p_pos: float = option(0.1, "Probability that a word is replaced by one of the same part of speech.", low=0, high=1)
    p_ng: float = option(0.25, "Probability that an n-gram of the row is masked.", low=0, high=1)
    max_ng: int = option(5, "Longest n-gram, in words.", low=1)
    spacy_model: str = option("en_core_web_sm", "spaCy pipeline (name or folder) that tags parts of speech.")

    def __post_init__(self) -> None:
        """Check that masking and replacement don't exceed 1 together."""
        super().__post_init__()
        if self.p_mask + self.p_pos > 1:
            raise BadInputError(f"--p-mask {self.p_mask} and --p-pos {self.p_pos}: together over 1. Lower one of them.")


@dataclass(frozen=True)
class LabelOptions(Options):
    """Labelling of the transfer set by the teacher."""

    label_batch_size: int = option(256, "Texts a batch; batches are formed over texts sorted by length.", low=1)
    precision: Literal["auto", "bf16", "fp32"] = option(
        "auto", "Arithmetic of the teacher: auto takes bf16 where the processor has it."
    )


@dataclass(frozen=True)
class StudentOptions(Options):
    """Shape and training of the BiLSTM student."""

    loss: Literal["mse", "cross_entropy"] = option(
        "mse", "mse: match the teacher's logits on the transfer set; cross_entropy: learn the rows' own labels."
    )
    embeddings: Literal["teacher", "random"] = option(
        "teacher", "Initial word vectors: derived from the teacher, or random."
    )
    embedding_size: int = option(300, "Dimensions of the word vectors.", low=1)
    hidden_size: int = option(300, "Units of the LSTM, each direction.", low=1)
    classifier_size: int = option(400, "Units of the classifier's hidden layer.", low=1)
    dropout: float = option(
        0.15, "Dropout on the word vectors and before both layers of the classifier.", low=0, high=0.9
    )
    max_tokens: int = option(512, "Tokens a text is cut to, in training and in the artefact.", low=1, high=100_000)
    epochs: float = option(2.0, "Passes over the transfer set (or, with cross_entropy, the rows).", low=0.001)
    batch_size: int = option(128, "Texts a step.", low=1)
    learning_rate: float = option(1e-3, "Peak of the learning rate.", low=0)
    warmup_steps: int = option(
        100, "Steps in which the learning rate climbs to its peak; it then falls linearly.", low=0
    )
    weight_decay: float = option(0.0, "AdamW's decoupled weight decay.", low=0)


@dataclass(frozen=True)
class TrainOptions:
    """All stages' options; what a run folder keeps in ``options.json``."""

    data: DataOptions = DataOptions()
    teacher: TeacherOptions = TeacherOptions()
    augment: AugmentOptions = AugmentOptions()
    label: LabelOptions = LabelOptions()
    student: StudentOptions = StudentOptions()

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """As JSON-ready values, a section a stage."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, sections: dict[str, dict[str, Any]]) -> "TrainOptions":
        """Read what :meth:`to_dict` gave.

        Raises:
            BadInputError: a section or an option is unknown.
        """
        hints = get_type_hints(cls)
        try:
            return cls(**{name: hints[name](**values) for name, values in sections.items()})
        except (KeyError, TypeError) as error:
            raise BadInputError(
                f"options.json: unknown section or option ({error}). Was it written by another version?"
            ) from None
