"""Every setting of the training side: one frozen dataclass a stage, each field's meaning and unit in its ``help``."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from kdbuild.errors import BadInputError, nearest


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    former: tuple[str, ...] = (),
    unsaid: Any = None,
    once: Any = None,
    metavar: str = "FILE",
) -> Any:
    """Declare a field of an option dataclass.

    Args:
        default: its value where none is given.
        help: what it means, with its unit.
        low: the smallest value allowed.
        high: the largest value allowed.
        former: the names that the field had in earlier versions, the oldest first. Recipes, run folders and command lines
            that use them are still read.
        unsaid: what a recipe or a run folder means that doesn't name the field, where that isn't the default: what was done
            before there was the option. It isn't written there either, nor into fingerprints.
        once: what a recipe means that doesn't name the field, where that isn't the default: the default in earlier versions.
        metavar: what the command line's help shows for a value of a list.
    """
    metadata = {"help": help, "low": low, "high": high, "former": former, "unsaid": unsaid}
    metadata |= {"once": once, "metavar": metavar}
    return field(default=default, metadata=metadata)


class Options:
    """Base of the option dataclasses, which checks their values and knows their former names."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    prefix: ClassVar[str] = "--"
    """How the command-line options begin."""
    former_section: ClassVar[str] = ""
    """The section that the fields stood in in earlier versions, if it was another one. They are still read there."""

    @classmethod
    def flag(cls, name: str) -> str:
        """Return the command-line option of a field, given its present name or a former one."""
        return cls.prefix + name.replace("_", "-")

    @classmethod
    def present_name(cls, name: str) -> str:
        """Return the present name of a field that had this name once; any other name is returned as it is."""
        return next((spec.name for spec in dataclasses.fields(cls) if name in spec.metadata["former"]), name)

    def under_first_names(self) -> dict[str, Any]:
        """Return all values under the names that their fields had first.

        Fingerprints are taken of these, so that renaming an option makes no stage run again.
        """
        return {
            (*spec.metadata["former"], spec.name)[0]: self.written(spec.name)
            for spec in dataclasses.fields(self)
            if self.is_said(spec)
        }

    def written(self, name: str) -> Any:
        """Return the value of a field as recipes and run folders say it, and fingerprints cover it."""
        return getattr(self, name)

    def is_said(self, spec: "dataclasses.Field[Any]") -> bool:
        """Tell whether a recipe or a run folder names a field, whose value would be another one if it didn't."""
        return spec.metadata["unsaid"] is None or getattr(self, spec.name) != spec.metadata["unsaid"]

    @classmethod
    def unsaid(cls) -> dict[str, Any]:
        """Return the values, where they aren't the defaults, of fields that a recipe or a run folder doesn't name."""
        found = {}
        for spec in dataclasses.fields(cls):
            value, once = spec.metadata["unsaid"], spec.metadata["once"]
            found[spec.name] = once if value is None else value
        return {name: value for name, value in found.items() if value is not None}

    def __post_init__(self) -> None:
        """Check every value against its field's type and range.

        Raises:
            BadInputError: a value is of the wrong type, out of range or not one of the choices.
        """
        hints = get_type_hints(type(self))
        for spec in dataclasses.fields(self):
            value, flag = getattr(self, spec.name), self.flag(spec.name)
            kind = hints[spec.name]
            if get_origin(kind) is Literal:
                if value not in get_args(kind):
                    choices = ", ".join(map(str, get_args(kind)))
                    raise BadInputError(f"{flag} {value}: not a choice. Use one of: {choices}.")
                continue
            if get_origin(kind) is tuple:
                if not isinstance(value, tuple) or not all(isinstance(part, str) for part in value):
                    raise BadInputError(f"{flag} {value!r}: must be a list of strings. Correct the value.")
                continue
            if kind is float and type(value) is int:
                object.__setattr__(self, spec.name, float(value))
                value = float(value)
            if type(value) is not kind:
                raise BadInputError(f"{flag} {value!r}: must be {_KINDS[kind]}. Correct the value.")
            low, high = spec.metadata["low"], spec.metadata["high"]
            # Written so that NaN fails.
            if (low is not None and not value >= low) or (high is not None and not value <= high):
                bounds = f"at least {low}" if high is None else f"from {low} to {high}"
                raise BadInputError(f"{flag} {value}: out of range. Use a value {bounds}.")


_KINDS = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}


@dataclass(frozen=True)
class DataOptions(Options):
    """How the labelled data is read and divided."""

    text_column: str = option("", "Column of the texts.  [default: the one called sentence, text or tokens]")
    pair_column: str = option("sentence2", "Column of the second text, for data of sentence pairs.")
    label_column: str = option("label", "Column of the labels.")
    multi_label: bool = option(False, "A text may have several labels, separated by |, or none.")
    balance: Literal["none", "weights", "sampling"] = option(
        "none",
        "For skewed classes: weigh each class in the cross-entropy by the inverse of its share, or draw rows so that "
        "classes come equally often.",
    )
    holdout: float = option(
        0.1, "Share of the rows held out when DATA has no dev file (never more than 2,000 rows).", low=0.001, high=0.5
    )
    seed: int = option(0, "Seed of every random choice: split, augmentation, weights, batches.", low=0)


@dataclass(frozen=True)
class TeacherOptions(Options):
    """The teacher; one that is fine-tuned already is used as it is."""

    teacher: tuple[str, ...] = option(
        ("bert-large-uncased",),
        "Hugging Face model name or local folder; may be repeated for several teachers, whose logits are averaged.",
        metavar="TEXT",
    )
    teacher_max_pieces: int = option(256, "Word pieces a text is cut to, special tokens included.", low=8, high=512)

    def __post_init__(self) -> None:
        """Take a name for a teacher alone; check also that there is one, and none twice."""
        if isinstance(self.teacher, str):
            object.__setattr__(self, "teacher", (self.teacher,))
        super().__post_init__()
        if not self.teacher:
            raise BadInputError("--teacher: names none. Name a model or a folder.")
        for name in self.teacher:
            if self.teacher.count(name) > 1:
                raise BadInputError(f"--teacher {name}: named twice. Name each teacher once.")

    def written(self, name: str) -> Any:
        """Return the same, and a teacher alone by its name, as before there could be several."""
        value = super().written(name)
        return value[0] if name == "teacher" and len(value) == 1 else value


@dataclass(frozen=True)
class TrainingOptions(Options):
    """The training loop, ``transformers.Trainer``; the same options for teacher and student."""

    epochs: float = option(
        2.0,
        "Passes over the rows (of the student: over the transfer set, or, with cross_entropy, the rows).",
        low=0.001,
    )
    batch_size: int = option(128, "Texts of a batch, over all processes together.", low=1)
    accumulation: int = option(1, "Batches whose gradients are added up to one step.", low=1)
    learning_rate: float = option(1e-3, "Peak of the learning rate.", low=0)
    schedule: Literal["constant", "warmup", "cyclic"] = option(
        "warmup",
        "Learning-rate schedule: constant (after warm-up), warmup (linear warm-up, then linear decay to 0) or cyclic "
        "(triangular).",
    )
    warmup_steps: float = option(
        100, "Steps in which the learning rate climbs to its peak; below 1: their share of all steps.", low=0
    )
    cycle_epochs: float = option(1.0, "Epochs of one cycle of the cyclic schedule.", low=0.001)
    weight_decay: float = option(0.0, "AdamW's decoupled weight decay.", low=0)
    clip: float = option(1.0, "Gradients are scaled to this norm at most; 0: not at all.", low=0)
    evaluate_every: int = option(0, "Steps between evaluations on dev; 0: four an epoch.", low=0)
    checkpoint_every: int = option(500, "Steps between checkpoints, from which an interrupted run goes on.", low=1)
    keep: Literal["last", "best"] = option(
        "last",
        "Which weights to keep: the last, or those of the best evaluation on dev (whose figures are then a little too "
        "good). best saves a checkpoint at every evaluation.",
    )
    patience: int = option(
        0, "Evaluations without a better dev accuracy after which training stops; 0: never. Implies --keep best.", low=0
    )
    dtype: Literal["auto", "bf16", "fp32"] = option(
        "auto",
        "Number format that training computes in: auto takes bf16 where the hardware has it.",
        former=("arithmetic",),
    )

    def check_shared(self, processes: int) -> None:
        """Check that the processes of a run can share each batch.

        Raises:
            BadInputError: they can't.
        """
        if self.batch_size % processes:
            raise BadInputError(
                f"{self.flag('batch_size')} {self.batch_size}: can't be shared by {processes} processes. "
                f"Use a multiple of {processes}."
            )


@dataclass(frozen=True)
class AugmentOptions(Options):
    """The transfer set: the rows, copies of them by the perturbations, and unlabelled texts."""

    perturb: tuple[str, ...] = option(
        ("spans",),
        "How copies are made of the rows, and how many of each row, --rounds if that isn't said; may be repeated.",
        unsaid=("article",),
        metavar="NAME[=COPIES]",
    )
    rounds: int = option(
        30,
        "Copies drawn of each row by each perturbation, before duplicates are removed; 0: no copies at all.",
        low=0,
        once=20,
    )
    unlabelled: tuple[str, ...] = option(
        (), "File of unlabelled text in the domain, a text a line (.gz too), for the transfer set; may be repeated."
    )
    split_sentences: bool = option(False, "Cut the unlabelled texts into sentences.")
    unlabelled_min_words: int = option(2, "Unlabelled texts of fewer tokens are left out.", low=1)
    unlabelled_max_words: int = option(64, "Unlabelled texts of more tokens are left out.", low=1)

    def __post_init__(self) -> None:
        """Check also the counts of copies, and the order of the lengths."""
        super().__post_init__()
        names = [_parse_copies(value)[0] for value in self.perturb]
        for name in names:  # whether there are such perturbations is looked up when a run starts
            if names.count(name) > 1:
                raise BadInputError(f"--perturb {name}: given twice. Give it once, with all its copies: {name}=COPIES.")
        if self.unlabelled_min_words > self.unlabelled_max_words:
            raise BadInputError(
                f"--unlabelled-min-words {self.unlabelled_min_words}: over --unlabelled-max-words "
                f"{self.unlabelled_max_words}. Lower it."
            )

    def copies(self) -> dict[str, int]:
        """Return how many copies of each row each perturbation makes, in the order given; nothing without rounds."""
        return {name: self.rounds if said is None else said for name, said in self.named().items() if self.rounds}

    def named(self) -> dict[str, int | None]:
        """Return the perturbations named, with the copies that are said."""
        return dict(map(_parse_copies, self.perturb))


def _parse_copies(value: str) -> tuple[str, int | None]:
    """Read ``NAME`` or ``NAME=COPIES``.

    Raises:
        BadInputError: the count is none.
    """
    name, said, count = value.partition("=")
    if not said:
        return name, None
    if not (count.isascii() and count.isdecimal() and int(count) > 0):
        raise BadInputError(
            f"--perturb {value}: copies must be a whole number, at least 1. Write {name}=COPIES, or leave {name} out."
        )
    return name, int(count)


@dataclass(frozen=True)
class SpansOptions(Options):
    """The perturbation ``spans``: a stretch of the text's words."""

    max_span: int = option(20, "Longest span, in words; 0: any length up to the text's.", low=0)
    spans_of: Literal["rows", "unlabelled", "both"] = option(
        "rows", "Texts that spans are cut out of: the training rows, the unlabelled texts, or both."
    )


@dataclass(frozen=True)
class ArticleOptions(Options):
    """The perturbation ``article``, the scheme of Tang et al. 2019 (arXiv 1903.12136)."""

    former_section: ClassVar[str] = "augment"

    p_mask: float = option(0.1, "Probability that a word is masked.", low=0, high=1)
    p_pos: float = option(0.1, "Probability that a word is replaced by one of the same part of speech.", low=0, high=1)
    p_ng: float = option(0.25, "Probability that an n-gram of the row is drawn.", low=0, high=1)
    max_ng: int = option(5, "Longest n-gram, in words.", low=1)
    ngram: Literal["mask", "keep"] = option(
        "mask", "What happens to the n-gram: it is masked, or only it is kept (the paper)."
    )
    replacement: Literal["unigram", "uniform"] = option(
        "unigram", "Replacing words are drawn by their frequency in the training rows, or evenly."
    )
    spacy_model: str = option(
        "en_core_web_sm",
        "spaCy pipeline (name or folder) of the data's language, which tags parts of speech; with --p-pos 0 none is needed.",
    )

    def __post_init__(self) -> None:
        """Check also that masking and replacement don't exceed 1 together."""
        super().__post_init__()
        if self.p_mask + self.p_pos > 1:
            raise BadInputError(f"--p-mask {self.p_mask} and --p-pos {self.p_pos}: together over 1. Lower one of them.")


@dataclass(frozen=True)
class ClausesOptions(Options):
    """The perturbation ``clauses``: one clause or several in a row."""

    conjunctions: tuple[str, ...] = option(
        (
            "although",
            "and",
            "because",
            "but",
            "if",
            "nor",
            "or",
            "so",
            "though",
            "unless",
            "when",
            "whereas",
            "while",
            "yet",
        ),
        "Word that divides clauses, as punctuation does; may be repeated, for the words of other languages.",
        metavar="WORD",
    )


@dataclass(frozen=True)
class JoinsOptions(Options):
    """The perturbation ``joins``: the text, and behind it another row's."""

    max_join: int = option(64, "Words that two texts together are cut to.", low=2)


@dataclass(frozen=True)
class LabelOptions(Options):
    """Labelling of the transfer set by the teacher."""

    label_batch_size: int = option(256, "Texts a batch; batches are formed over texts sorted by length.", low=1)
    label_dtype: Literal["auto", "bf16", "fp32"] = option(
        "auto",
        "Number format that the teacher computes in: auto takes bf16 where the hardware has it.",
        former=("precision",),
    )
    teacher_weights: Literal["equal", "dev"] = option(
        "equal",
        "Weights of several teachers, on a common scale: equal, or those of the least cross-entropy on dev (whose figures for "
        "them are then a little too good).",
    )


@dataclass(frozen=True)
class StudentOptions(Options):
    """Shape, vocabulary and loss of the BiLSTM student."""

    loss: Literal["mse", "kl_div", "cross_entropy"] = option(
        "mse",
        "mse: match the teacher's logits on the transfer set; kl_div: match its softened probabilities; cross_entropy: "
        "learn the rows' own labels, without a teacher.",
    )
    temperature: float = option(
        2.0, "Softens the probabilities of kl_div, whose loss is multiplied by its square.", low=0.01
    )
    alpha: float = option(
        1.0,
        "Weight of the teacher's loss; the rest goes to the cross-entropy of the rows' own labels, on unperturbed rows.",
        low=0,
        high=1,
    )
    embeddings: str = option(
        "teacher",
        "Initial word vectors: teacher (derived from it), random, or a text file of vectors (fastText .vec, GloVe, "
        "word2vec; .gz too).",
    )
    embedding_size: int = option(300, "Dimensions of the word vectors.", low=1)
    factor_size: int = option(
        0,
        "Dimensions of the stored vectors, which a learned matrix projects to --embedding-size; 0: stored in full.",
        low=0,
    )
    vector_bits: int = option(
        8,
        "Bits of each number of the stored vectors in the native engine's file, 8 or 4. With 4 they are rounded in training "
        "already, and twice as many words or dimensions take the same space.",
        low=4,
        high=8,
        unsaid=8,
    )
    channels: Literal["one", "two"] = option(
        "one", "two: beside the trained word vectors, a copy that stays as it was (the paper)."
    )
    layers: int = option(1, "LSTM layers.", low=1, high=8)
    hidden_size: int = option(300, "Units of the LSTM, each direction.", low=1)
    pooling: Literal["last", "max"] = option(
        "last", "What the classifier reads of the LSTM: its last states, or each unit's maximum over the tokens."
    )
    classifier_size: int = option(400, "Units of the classifier's hidden layer.", low=1)
    dropout: float = option(
        0.15, "Dropout on the word vectors, between layers and before both layers of the classifier.", low=0, high=0.9
    )
    max_tokens: int = option(512, "Tokens a text is cut to, in training and in the artefact.", low=1, high=100_000)
    tokenizer: Literal["pieces", "words"] = option(
        "pieces",
        "pieces: words that aren't in the vocabulary are cut into pieces that are, in scripts without spaces all text; "
        "words: they are unknown.",
        unsaid="words",
    )
    vocabulary_from: Literal["transfer", "train"] = option(
        "transfer", "Texts whose words enter the vocabulary: the transfer set, or the training rows alone."
    )
    min_count: int = option(
        1,
        "Texts that a word must stand in, perturbed copies not counted; rarer ones (names, numbers) don't ship.",
        low=1,
    )
    max_vocab: int = option(
        0,
        "Words and pieces in the vocabulary at most, the most frequent ones; 0: of words all, with pieces as many as suit "
        "the texts, up to 15,000.",
        low=0,
    )
    piece_dropout: float = option(
        0.05,
        "Probability that, in training, a piece is passed over for a shorter one, so that rare and new words are learned of; "
        "0: never. Of no effect on students that know whole words only.",
        low=0,
        high=0.9,
    )
    extra_words: str = option("", "File of words, one a line, that enter the vocabulary whether or not they occur.")
    student_seed: int = option(-1, "Seed of the student's weights, dropout and batches; -1: that of --seed.", low=-1)

    def __post_init__(self) -> None:
        """Check also what only makes sense together."""
        super().__post_init__()
        if self.factor_size and self.channels == "two":
            raise BadInputError(
                f"--factor-size {self.factor_size}: doesn't go with --channels two, whose second channel is stored in full. "
                "Drop one of them."
            )
        if self.vector_bits not in (4, 8):
            raise BadInputError(f"--vector-bits {self.vector_bits}: not a choice. Use 4 or 8.")
        if self.factor_size > self.embedding_size:
            raise BadInputError(
                f"--factor-size {self.factor_size}: over --embedding-size {self.embedding_size}, so it would save nothing. "
                "Lower it."
            )
        if self.loss == "cross_entropy" and self.alpha != 1:
            raise BadInputError(
                f"--alpha {self.alpha}: blends the teacher's loss in, and --loss cross_entropy has none. "
                "Use --loss mse or kl_div."
            )

    def is_said(self, spec: "dataclasses.Field[Any]") -> bool:
        """Tell the same, and leave out what only pieces have where there are none."""
        return super().is_said(spec) and not (self.tokenizer == "words" and spec.name == "piece_dropout")


@dataclass(frozen=True)
class MachineOptions(Options):
    """Where a run computes; no stage is run again when this changes."""

    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "Processor of teacher and student: auto takes a GPU where there is one."
    )
    label_cache: str = option(
        "",
        "Folder where teachers' answers are kept by text and looked up, which runs may share; if empty, the run folder's own.",
    )


@dataclass(frozen=True)
class TeacherTrainingOptions(TrainingOptions):
    """The same loop for the teacher, under options of its own."""

    prefix: ClassVar[str] = "--teacher-"


TEACHER_TRAINING = TeacherTrainingOptions(
    epochs=3.0, batch_size=32, learning_rate=3e-5, warmup_steps=0.06, weight_decay=0.01, checkpoint_every=200
)
"""Devlin et al. 2019 (arXiv 1810.04805), appendix A.3, within its ranges."""


PERTURBATION_SECTIONS = ("spans", "article", "clauses", "joins")
"""The sections of perturbations, each of its own name."""


@dataclass(frozen=True)
class TrainOptions:
    """All stages' options; what a run folder keeps in ``options.json``, and a recipe sets."""

    data: DataOptions = DataOptions()
    teacher: TeacherOptions = TeacherOptions()
    teacher_training: TeacherTrainingOptions = TEACHER_TRAINING
    augment: AugmentOptions = AugmentOptions()
    spans: SpansOptions = SpansOptions()
    article: ArticleOptions = ArticleOptions()
    clauses: ClausesOptions = ClausesOptions()
    joins: JoinsOptions = JoinsOptions()
    label: LabelOptions = LabelOptions()
    student: StudentOptions = StudentOptions()
    training: TrainingOptions = TrainingOptions()
    machine: MachineOptions = MachineOptions()

    @property
    def tagger(self) -> str | None:
        """The spaCy pipeline that tags the rows' parts of speech; None if nothing reads them."""
        return self.article.spacy_model if "article" in self.augment.copies() and self.article.p_pos > 0 else None

    def perturbations(self) -> dict[str, Options]:
        """Return the sections of the perturbations that make copies, those that have one."""
        return {name: getattr(self, name) for name in self.augment.copies() if name in PERTURBATION_SECTIONS}

    def unread_flags(self) -> dict[str, list[str]]:
        """Return the options that were changed of perturbations that make no copies, by perturbation."""
        found = {}
        for section in (name for name in PERTURBATION_SECTIONS if name not in self.perturbations()):
            group = getattr(self, section)
            changed = [spec.name for spec in dataclasses.fields(group) if getattr(group, spec.name) != spec.default]
            if changed:
                found[section] = [group.flag(name) for name in changed]
        return found

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """As JSON-ready values, a section a stage."""
        sections = {}
        for section in dataclasses.fields(self):
            group = getattr(self, section.name)
            said = {spec.name: group.written(spec.name) for spec in dataclasses.fields(group) if group.is_said(spec)}
            sections[section.name] = {
                name: list(value) if isinstance(value, tuple) else value for name, value in said.items()
            }
        return sections

    @classmethod
    def from_dict(cls, sections: Mapping[str, Any], source: str = "options.json") -> "TrainOptions":
        """Read what :meth:`to_dict` gave, or a recipe; what isn't there has its default, or what the option declares as unsaid.

        Args:
            sections: options by section.
            source: named in error messages.

        Raises:
            BadInputError: a section or an option is unknown, or a value is wrong.
        """
        defaults = cls()
        unsaid = {
            spec.name: dataclasses.replace(group, **group.unsaid())
            for spec in dataclasses.fields(cls)
            if (group := getattr(defaults, spec.name)).unsaid()
        }
        return dataclasses.replace(defaults, **unsaid).updated(sections, source)

    def updated(self, sections: Mapping[str, Any], source: str) -> "TrainOptions":
        """Return the same options but for those given, by section.

        Raises:
            BadInputError: a section or an option is unknown, or a value is wrong.
        """
        changed = {}
        for section, values in self._in_present_sections(sections, source).items():
            group = getattr(self, section)
            given = {}
            for name, value in values.items():
                present = group.present_name(name)
                if present not in (spec.name for spec in dataclasses.fields(group)):
                    raise BadInputError(f"{source}: no option '{name}' in [{section}]. {_suggest(self, section, name)}")
                if present in given:
                    other = next(other for other in values if group.present_name(other) == present)
                    raise BadInputError(
                        f"{source}: '{other}' and '{name}' in [{section}] are one option. Keep '{present}' alone."
                    )
                given[present] = tuple(value) if isinstance(value, list) else value
            try:
                changed[section] = dataclasses.replace(group, **given)
            except BadInputError as error:
                raise BadInputError(f"{source}, [{section}]: {error}") from None
        return dataclasses.replace(self, **changed)

    def _in_present_sections(self, sections: Mapping[str, Any], source: str) -> dict[str, dict[str, Any]]:
        """Return given options with those that stood in another section once where they stand now.

        Raises:
            BadInputError: a section is unknown or none, or an option is given in both places.
        """
        names = [spec.name for spec in dataclasses.fields(self)]
        for section, values in sections.items():
            if section not in names:
                raise BadInputError(f"{source}: no section [{section}]. {nearest(section, names)}")
            if not isinstance(values, Mapping):
                raise BadInputError(f"{source}: {section} must be a section, [{section}]. Correct it.")
        moved = {section: dict(values) for section, values in sections.items()}
        for section in names:
            group = getattr(self, section)
            former = moved.get(group.former_section, {})
            for name in [spec.name for spec in dataclasses.fields(group) if spec.name in former]:
                if name in moved.setdefault(section, {}):
                    raise BadInputError(
                        f"{source}: '{name}' stands in [{group.former_section}] and in [{section}]. "
                        f"Keep that in [{section}] alone."
                    )
                moved[section][name] = former.pop(name)
        return moved


def _suggest(options: TrainOptions, section: str, name: str) -> str:
    """Say what was probably meant by an unknown option, which may stand in another section."""
    for other in reversed([spec.name for spec in dataclasses.fields(options)]):
        group = getattr(options, other)
        if group.present_name(name) in (spec.name for spec in dataclasses.fields(group)):
            return f"It belongs in [{other}]."
    return nearest(name, [spec.name for spec in dataclasses.fields(getattr(options, section))])
