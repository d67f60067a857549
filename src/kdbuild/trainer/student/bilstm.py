"""The student: a bidirectional LSTM over word embeddings, as an ordinary ``transformers`` model.

Tang et al. 2019 (arXiv 1903.12136), section 3.1: the forward direction's last state and the backward direction's state
after the first word, concatenated, through a hidden ReLU layer to the logits. Of a pair of texts, one network reads both.
"""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from kdbuild.errors import BadInputError
from kdbuild.files import write_atomically
from kdbuild.requirements import first_line
from kdbuild.runtime.text.encoding import VERSIONS
from kdbuild.runtime.text.vocabulary import PAD_ID, WORDS, Vocabulary
from kdbuild.trainer.student.rounding import rounded_to_4_bits
from kdbuild.trainer.training.padding import batches_by_length, pad
from kdbuild.trainer.training.task import MULTI_LABEL

VOCABULARY_FILE = "vocab.txt"


class StudentConfig(PretrainedConfig):
    """Shape of a student; ``id2label`` names its classes, ``problem_type`` says whether a text may have several.

    Args:
        vocab_size: rows of the embedding.
        embedding_size: dimensions of a word vector.
        factor_size: dimensions of the stored vectors, which a matrix projects to ``embedding_size``; 0: stored in full.
        vector_bits: bits of each number of the stored vectors; with 4, which are rounded in training, they are used as rounded.
        channels: 2 for a second set of word vectors that isn't trained (Kim 2014), beside the first.
        layers: LSTM layers.
        hidden_size: units of the LSTM, each direction.
        pooling: ``last``: the last forward state and the first backward state; ``max``: each unit's maximum over the tokens.
        classifier_size: units of the classifier's hidden layer.
        dropout: on the word vectors, between layers and before both layers of the classifier.
        tokenizer_version: that of the vocabulary; 1: words, 2: words and pieces.
        max_tokens: token ids a text is cut to.
        pairs: whether it reads two texts.
        thresholds: for several labels a text: the probability from which each is given.
        kwargs: what every ``PretrainedConfig`` takes.
    """

    model_type = "kdbuild-bilstm"

    def __init__(
        self,
        vocab_size: int = 3,
        embedding_size: int = 300,
        factor_size: int = 0,
        vector_bits: int = 8,
        channels: int = 1,
        layers: int = 1,
        hidden_size: int = 300,
        pooling: str = "last",
        classifier_size: int = 400,
        dropout: float = 0.15,
        tokenizer_version: int = WORDS,
        max_tokens: int = 512,
        pairs: bool = False,
        thresholds: list[float] | None = None,
        **kwargs: Any,
    ):
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.factor_size = factor_size
        self.vector_bits = vector_bits
        self.channels = channels
        self.layers = layers
        self.hidden_size = hidden_size
        self.pooling = pooling
        self.classifier_size = classifier_size
        self.dropout = dropout
        self.tokenizer_version = tokenizer_version
        self.max_tokens = max_tokens
        self.pairs = pairs
        self.thresholds = thresholds
        super().__init__(**{"pad_token_id": PAD_ID, **kwargs})

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return bool(self.problem_type == MULTI_LABEL)


class Student(PreTrainedModel):
    """A BiLSTM text classifier."""

    config_class = StudentConfig
    base_model_prefix = "student"
    main_input_name = "input_ids"

    def __init__(self, config: StudentConfig):
        super().__init__(config)
        stored = config.factor_size or config.embedding_size
        self.embedding = nn.Embedding(config.vocab_size, stored, padding_idx=PAD_ID)
        if config.factor_size:
            self.projection = nn.Linear(stored, config.embedding_size, bias=False)
        if config.channels == 2:
            self.static = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=PAD_ID)
            self.static.weight.requires_grad_(False)
        self.lstm = nn.LSTM(
            config.channels * config.embedding_size,
            config.hidden_size,
            config.layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        features = 2 * config.hidden_size * (4 if config.pairs else 1)
        self.hidden = nn.Linear(features, config.classifier_size)
        self.output = nn.Linear(config.classifier_size, config.num_labels)
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """PyTorch's own initialisation, but for the forget gates, which start open (Gers et al. 2000)."""
        if isinstance(module, nn.LSTM):
            for name, bias in module.named_parameters():
                if name.startswith("bias_ih"):
                    size = module.hidden_size
                    with torch.no_grad():
                        bias[size : 2 * size].fill_(1.0)

    def set_embedding(self, vectors: torch.Tensor) -> None:
        """Start from these word vectors, ``[tokens, embedding_size]``; a factorised embedding from their best approximation."""
        with torch.no_grad():
            if self.config.factor_size:
                # The truncated singular value decomposition (Eckart & Young 1936), scaled so that the stored vectors
                # deviate as much as the given ones.
                left, values, right = torch.linalg.svd(vectors, full_matrices=False)
                size = min(self.config.factor_size, len(values))
                stored = left[:, :size] * values[:size]
                scale = vectors.std() / stored.std().clamp_min(1e-12)
                self.embedding.weight.zero_()
                self.embedding.weight[:, :size] = stored * scale
                self.projection.weight[:, :size] = right[:size].T / scale
            else:
                self.embedding.weight.copy_(vectors)
            if self.config.channels == 2:
                self.static.weight.copy_(vectors)

    def stored_vectors(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Look up the vectors of tokens as they are stored: those of the second channel, if there is one, behind the first's.

        Args:
            input_ids: ids of any shape.

        Returns:
            ``[*input_ids.shape, stored dimensions]``.
        """
        vectors = self.embedding(input_ids)
        if self.config.channels == 2:
            vectors = torch.cat([vectors, self.static(input_ids)], dim=-1)
        return rounded_to_4_bits(vectors) if self.config.vector_bits == 4 else vectors

    def encode(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """Compute what the classifier reads of a batch of texts, ``[batch, 2 * hidden_size]``."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        vectors = self.stored_vectors(input_ids)
        if self.config.factor_size:
            projected = self.projection(vectors[..., : self.config.factor_size])
            static = vectors[..., self.config.factor_size :]
            vectors = torch.cat([projected, static], dim=2) if self.config.channels == 2 else projected
        # Packing lets each direction start and stop at the text's own ends.
        lengths = attention_mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(self.dropout(vectors), lengths, batch_first=True, enforce_sorted=False)
        states, (last, _) = self.lstm(packed)
        if self.config.pooling == "max":
            padded, _ = pad_packed_sequence(states, batch_first=True, padding_value=float("-inf"))
            return padded.amax(dim=1)
        return torch.cat([last[-2], last[-1]], dim=1)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        input_ids2: torch.Tensor | None = None,
        attention_mask2: torch.Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Classify a batch; the loss is the trainer's affair.

        Args:
            input_ids: ``[batch, tokens]``, padded at the end.
            attention_mask: 1 for tokens, 0 for padding; all tokens if None.
            input_ids2: the second texts of pairs.
            attention_mask2: the mask of the second texts.

        Returns:
            Logits ``[batch, classes]``.
        """
        features = self.encode(input_ids, attention_mask)
        if self.config.pairs:
            if input_ids2 is None:
                raise ValueError("a student of pairs needs input_ids2, the second texts")
            second = self.encode(input_ids2, attention_mask2)
            # Tang et al. 2019, section 3.1, after Mou et al. 2016.
            features = torch.cat([features, second, features * second, (features - second).abs()], dim=1)
        logits = self.output(self.dropout(torch.relu(self.hidden(self.dropout(features))))).float()
        return SequenceClassifierOutput(logits=logits)


def save_student(folder: Path, student: Student, vocabulary: Vocabulary) -> None:
    """Write weights, configuration and, beside them, the vocabulary, whose version the configuration gets."""
    student.config.tokenizer_version = vocabulary.version
    student.save_pretrained(folder)
    write_atomically(folder / VOCABULARY_FILE, vocabulary.to_bytes())


def _again(folder: Path) -> str:
    return f"Remove that folder, then run: kdbuild distill {shlex.quote(str(folder.parent))}"


def load_student(folder: Path) -> tuple[Student, Vocabulary]:
    """Read what :func:`save_student` wrote.

    Raises:
        BadInputError: a file or weights are missing, damaged, or don't fit each other.
    """
    for name in ("config.json", "model.safetensors", VOCABULARY_FILE):
        if not (folder / name).is_file():
            raise BadInputError(
                f"{folder}: no {name}, so not a finished student. "
                f"Run: kdbuild train DATA --out {shlex.quote(str(folder.parent))}"
            )
    try:
        loaded: tuple[Student, dict[str, Any]] = Student.from_pretrained(
            folder, output_loading_info=True, ignore_mismatched_sizes=True
        )
    # What reads configurations and weights fails with errors of no common base class.
    except Exception as error:
        raise BadInputError(f"{folder}: can't be loaded ({first_line(error).rstrip('.')}). {_again(folder)}") from error
    student, found = loaded[0].eval(), loaded[1]
    # They would be drawn at random.
    wrong = sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])})
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BadInputError(
            f"{folder}: its weights {', '.join(wrong[:3])}{more} are missing, or of another shape than in config.json. "
            f"{_again(folder)}"
        )
    version = student.config.tokenizer_version
    if version not in VERSIONS:
        raise BadInputError(
            f"{folder}: its tokenizer is version {version!r}, and this kdbuild reads {', '.join(map(str, VERSIONS))}. "
            "Update kdbuild."
        )
    vocabulary = Vocabulary.load(folder / VOCABULARY_FILE, version)
    if len(vocabulary) != student.config.vocab_size:
        raise BadInputError(
            f"{folder}: {len(vocabulary)} tokens in {VOCABULARY_FILE} for {student.config.vocab_size} embedding rows. "
            "Train the student again."
        )
    return student, vocabulary


@torch.inference_mode()
def student_logits(
    student: Student, ids: list[list[int]], batch_size: int = 256, *, second: list[list[int]] | None = None
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return logits ``[texts, classes]``.

    Args:
        student: the student, on the CPU.
        ids: token ids of the texts, none empty.
        batch_size: texts a batch; batches are formed over texts sorted by length.
        second: token ids of the second texts, where rows are pairs.
    """
    out = np.empty((len(ids), student.config.num_labels), dtype=np.float32)
    for rows in batches_by_length(ids, batch_size):
        batches = [pad([texts[row] for row in rows], PAD_ID) for texts in (ids, second) if texts is not None]
        out[rows] = student(*(part for batch in batches for part in batch)).logits.numpy()
    return out
