"""The student: a one-layer bidirectional LSTM over word embeddings, as an ordinary ``transformers`` model.

Tang et al. 2019 (arXiv 1903.12136), section 3.1: the forward direction's last state and the backward direction's state
after the first word, concatenated, through a hidden ReLU layer to the logits.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from kdbuild.errors import BadInputError
from kdbuild.runtime.tokenizer import PAD_ID, Vocabulary
from kdbuild.trainer.padding import pad
from kdbuild.trainer.run_folder import write_atomically

VOCABULARY_FILE = "vocab.txt"


class StudentConfig(PretrainedConfig):
    """Shape of a student; ``id2label`` names its classes.

    Args:
        vocab_size: rows of the embedding.
        embedding_size: dimensions of a word vector.
        hidden_size: units of the LSTM, each direction.
        classifier_size: units of the classifier's hidden layer.
        dropout: on the word vectors and before both layers of the classifier.
        max_tokens: tokens a text is cut to.
        kwargs: what every ``PretrainedConfig`` takes.
    """

    model_type = "kdbuild-bilstm"

    def __init__(
        self,
        vocab_size: int = 3,
        embedding_size: int = 300,
        hidden_size: int = 300,
        classifier_size: int = 400,
        dropout: float = 0.15,
        max_tokens: int = 512,
        **kwargs: Any,
    ):
        self.vocab_size = vocab_size
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.classifier_size = classifier_size
        self.dropout = dropout
        self.max_tokens = max_tokens
        super().__init__(**{"pad_token_id": PAD_ID, **kwargs})


class Student(PreTrainedModel):
    """A BiLSTM text classifier."""

    config_class = StudentConfig
    base_model_prefix = "student"
    main_input_name = "input_ids"

    def __init__(self, config: StudentConfig):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=PAD_ID)
        self.lstm = nn.LSTM(config.embedding_size, config.hidden_size, batch_first=True, bidirectional=True)
        self.hidden = nn.Linear(2 * config.hidden_size, config.classifier_size)
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

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: ``[batch, tokens]``, padded at the end.
            attention_mask: 1 for tokens, 0 for padding; all tokens if None.
            labels: the teacher's logits ``[batch, classes]`` for the mean squared error, or classes ``[batch]`` for
                cross-entropy.

        Returns:
            Logits ``[batch, classes]`` and the loss where labels are given.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        vectors = self.dropout(self.embedding(input_ids))
        # Packing lets each direction start and stop at the text's own ends.
        lengths = attention_mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        _, (states, _) = self.lstm(packed)
        features = self.dropout(torch.cat([states[0], states[1]], dim=1))
        logits = self.output(self.dropout(torch.relu(self.hidden(features)))).float()
        loss = None
        if labels is not None:
            if labels.is_floating_point():
                loss = nn.functional.mse_loss(logits, labels)
            else:
                loss = nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def save_student(folder: Path, student: Student, vocabulary: Vocabulary) -> None:
    """Write weights, configuration and, beside them, the vocabulary."""
    student.save_pretrained(folder)
    write_atomically(folder / VOCABULARY_FILE, vocabulary.to_bytes())


def load_student(folder: Path) -> tuple[Student, Vocabulary]:
    """Read what :func:`save_student` wrote.

    Raises:
        BadInputError: a file is missing, or the vocabulary doesn't fit the embedding.
    """
    for name in ("config.json", "model.safetensors", VOCABULARY_FILE):
        if not (folder / name).is_file():
            raise BadInputError(
                f"{folder}: no {name}, so not a finished student. Run: kdbuild train DATA --out {folder.parent}"
            )
    student = Student.from_pretrained(folder).eval()
    vocabulary = Vocabulary.load(folder / VOCABULARY_FILE)
    if len(vocabulary) != student.config.vocab_size:
        raise BadInputError(
            f"{folder}: {len(vocabulary)} tokens in {VOCABULARY_FILE} for {student.config.vocab_size} embedding rows. "
            "Train the student again."
        )
    return student, vocabulary


@torch.inference_mode()
def student_logits(
    student: Student, ids: list[list[int]], batch_size: int = 256
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Logits ``[texts, classes]`` of texts given as token ids, none empty."""
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    out = np.empty((len(ids), student.config.num_labels), dtype=np.float32)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        out[rows] = student(*pad([ids[row] for row in rows], PAD_ID)).logits.numpy()
    return out
