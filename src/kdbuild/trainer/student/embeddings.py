"""The word vectors that a student starts from: derived from the teacher, read from a file, or random.

To derive them, each word of the vocabulary goes through the teacher's encoder; then come PCA and frequency weights. This is
the recipe of model2vec (MinishLab), with words instead of word pieces: contextual encoders know a word by itself well
enough that the principal components of its output are a better start than random vectors by some points of accuracy.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from kdbuild.console import progress, say
from kdbuild.runtime.text.pieces import CONTINUED
from kdbuild.runtime.text.vocabulary import MASK_ID, PAD_ID, PIECES, UNK_ID, Vocabulary
from kdbuild.trainer.options import StudentOptions
from kdbuild.trainer.student import word_vectors
from kdbuild.trainer.training.device import has_bf16, pick_device, settle_bf16
from kdbuild.trainer.training.padding import batches_of_one_length, pad
from kdbuild.trainer.training.pieces import encode_pieces, with_segments
from kdbuild.trainer.training.pretrained import load_model, load_tokenizer

Array = npt.NDArray[np.float32]

_SIF = 1e-3
"""The a of a / (a + p(word)) (Arora et al. 2017), which keeps frequent words from drowning the others."""
_DEVIATION = 0.3
"""Standard deviation of the result's entries, about that of 300-dimensional GloVe vectors."""
_NOISE = 1e-5
"""Differences, as a share of the largest entry, that rounding makes."""
_BATCH = 256
_PIECES = 32
"""Word pieces that a word is cut to."""


def initial_embedding(
    vocabulary: Vocabulary,
    frequencies: npt.NDArray[np.int64],
    options: StudentOptions,
    seed: int,
    teacher: str | None,
    dtype: str,
    device: str,
) -> Array:
    """Return the embedding that a student starts from, ``[tokens, embedding_size]``.

    Args:
        vocabulary: the student's.
        frequencies: how often each token occurs in the training rows, ``[tokens]``.
        options: where the vectors come from, and their size.
        seed: determines the random ones.
        teacher: what ``from_pretrained`` takes; without one, vectors that were to come from it are random.
        dtype: what the teacher computes in, as ``--dtype`` has it.
        device: as ``--device`` has it; the teacher computes on the processor, in bf16 if the device has it, too.
    """
    size = options.embedding_size
    if options.embeddings == "teacher" and teacher is not None:
        bf16 = has_bf16(pick_device(device)) if dtype == "auto" else dtype == "bf16"
        return from_teacher(teacher, vocabulary, frequencies, size, bf16, seed, insist=dtype == "bf16")
    if options.embeddings == "teacher":
        say("distill: the data brings scores and no teacher, so the word vectors start random")
    if options.embeddings in ("teacher", "random"):
        return random_embedding(len(vocabulary), size, seed)
    spelled = _spelled(vocabulary)[1:]
    rows = {text: row for row, text in enumerate(dict.fromkeys(spelled))}  # a word and a piece may be of the same text
    vectors, found = word_vectors.read_word_vectors(Path(options.embeddings), list(rows), size)
    places = [rows[text] for text in spelled]
    vectors, found = vectors[places], found[places]
    of_words, of_tokens = word_vectors.coverage(found, frequencies[MASK_ID + 1 :])
    entries = "words" if vocabulary.version < PIECES else "words and pieces"
    say(f"embeddings: vectors for {of_words:.1%} of the {entries}, {of_tokens:.1%} of the training rows' tokens")
    vectors = word_vectors.fill_missing(vectors, found, seed)
    return np.concatenate([np.zeros((MASK_ID + 1, size), dtype=np.float32), vectors])


def _spelled(vocabulary: Vocabulary) -> list[str]:
    """Return the text of each token from ``<mask>`` on, a piece's without its mark."""
    tokens = vocabulary.tokens[MASK_ID:]
    return list(tokens) if vocabulary.version < PIECES else [token.removeprefix(CONTINUED) for token in tokens]


def encode_words(teacher: str, words: Sequence[str], bf16: bool, *, insist: bool = False) -> Array:
    """Average a teacher's last hidden states over each word's pieces, ``[words, dimensions]``.

    A word that gives no piece has the state of the token that stands for a text of none; our mask token becomes the
    teacher's.

    Args:
        teacher: what ``from_pretrained`` takes.
        words: what to encode.
        bf16: compute in bfloat16, if the architecture can.
        insist: it has to.

    Raises:
        BadInputError: it can't be loaded or can't encode words, or lacks what is insisted on.
    """
    tokenizer = load_tokenizer(teacher)
    model = load_model(AutoModel, teacher, tokenizer, dtype=torch.float32).eval()
    if bf16:
        in_bf16(model, tokenizer, "bf16" if insist else "auto")
    pieces = encode_pieces(tokenizer, words, None, _PIECES)
    vectors = np.empty((len(words), model.config.hidden_size), dtype=np.float32)
    with progress("embeddings", len(words)) as advance:
        done = 0
        # Padding would change the states of models without a mask.
        for rows in batches_of_one_length(pieces, _BATCH):
            vectors[rows] = mean_states(model, tokenizer, [pieces[row] for row in rows]).numpy()
            done += len(rows)
            advance(done, "")
    return vectors


@torch.inference_mode()
def mean_states(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pieces: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Average a model's last hidden states over the pieces of each word, ``[words, dimensions]``.

    Of a model with a decoder, its encoder's.
    """
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    ids, mask = (values.to(model.device) for values in pad(pieces, tokenizer.pad_token_id or 0))
    batch = with_segments(encoder, tokenizer)({"input_ids": ids, "attention_mask": mask})
    states = encoder(**batch).last_hidden_state.float()
    return torch.Tensor((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).cpu()


def in_bf16(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dtype: str) -> None:
    """Turn a model to bfloat16 if it can compute word vectors so.

    Args:
        model: a teacher without its classifier.
        tokenizer: its own.
        dtype: ``auto`` or ``bf16``.

    Raises:
        BadInputError: ``bf16``, and it can't.
    """

    def compute() -> torch.Tensor:
        model.to(torch.bfloat16)
        return mean_states(model, tokenizer, encode_pieces(tokenizer, ["a", "word"], None, _PIECES))

    if not settle_bf16(dtype, model.device, "--dtype", compute, model):
        model.to(torch.float32)


def from_teacher(
    teacher: str,
    vocabulary: Vocabulary,
    frequencies: npt.NDArray[np.int64],
    size: int,
    bf16: bool,
    seed: int,
    *,
    insist: bool = False,
) -> Array:
    """Derive the initial embedding of a vocabulary from a teacher, ``[tokens, size]``.

    Args:
        teacher: what ``from_pretrained`` takes.
        vocabulary: the student's.
        frequencies: how often each token occurs in the training rows, ``[tokens]``.
        size: dimensions wanted; where the teacher has fewer, the others are random and small.
        bf16: whether the encoder computes in bfloat16, if it can.
        seed: determines the random ones.
        insist: it has to compute in bfloat16.

    Returns:
        The embedding; a random one, which is said, where the teacher gives all words the same vector.
    """
    encoded = encode_words(teacher, _spelled(vocabulary), bf16, insist=insist)
    # To a tokenizer that knows none of the words they are all the same; what differs then is noise, if anything.
    if np.ptp(encoded, axis=0).max() <= _NOISE * np.abs(encoded).max():
        say("embeddings: the teacher tells no two words apart, so the word vectors start random")
        return random_embedding(len(vocabulary), size, seed)
    vectors = reduce(encoded, frequencies[MASK_ID:], size, seed)
    # <unk> stands for any word, so for none in particular: the mean, which PCA has moved to the origin.
    return np.concatenate([np.zeros((MASK_ID, vectors.shape[1]), dtype=np.float32), vectors])


def reduce(vectors: Array, frequencies: npt.NDArray[np.int64], size: int, seed: int) -> Array:
    """Project vectors to ``size`` dimensions by PCA, then apply SIF weights and a common scale."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    reduced = centred @ axes[:size].T
    weights = _SIF / (_SIF + frequencies / max(1, frequencies.sum()))
    reduced *= weights[:, None]
    reduced *= _DEVIATION / reduced.std()
    if reduced.shape[1] < size:
        noise = np.random.default_rng([seed, 3]).normal(0, 0.1 * _DEVIATION, (len(reduced), size - reduced.shape[1]))
        reduced = np.concatenate([reduced, noise], axis=1)
    return np.asarray(reduced, dtype=np.float32)


def random_embedding(tokens: int, size: int, seed: int) -> Array:
    """Draw normal vectors of the same scale, ``[tokens, size]``; zero for padding and unknown words."""
    vectors = np.random.default_rng([seed, 3]).normal(0, _DEVIATION, (tokens, size)).astype(np.float32)
    vectors[[PAD_ID, UNK_ID]] = 0
    return vectors
