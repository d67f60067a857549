"""A naive export in LiteRT: a contender of the benchmark, with our tokenizer in front of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from kdbuild.runtime.text.vocabulary import PAD_ID, Encoding, Vocabulary

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NaiveModel:
    """Called on one text: our tokens, padded where the file reads one length only, LiteRT, index of the greatest logit."""

    interpreter: Interpreter
    vocabulary: Vocabulary
    max_tokens: int
    """That are read of a text."""
    padded: bool
    """Whether the file reads texts of that length only."""
    keeps_state: bool
    """Whether its LSTMs go on from the text before unless they are told not to."""
    parameters: int
    size_bytes: int
    """Of the file and the vocabulary."""

    def __call__(self, text: str) -> int:
        """The class of one text."""
        return self.run(self.encode(text))

    def encode(self, text: str) -> Encoding:
        """The tokens of one text."""
        return self.vocabulary.encode(text, self.max_tokens)

    def run(self, encoded: Encoding) -> int:
        """The class of a text whose tokens are known."""
        return int(self.logits(np.asarray(encoded.ids)).argmax())

    def logits(self, ids: npt.NDArray[np.int32]) -> Logits:
        """Logits ``[classes]`` of token ids ``[tokens]``."""
        (details,) = self.interpreter.get_input_details()
        length = self.max_tokens if self.padded else len(ids)
        if details["shape"].tolist() != [1, length]:
            self.interpreter.resize_tensor_input(details["index"], [1, length])
            self.interpreter.allocate_tensors()
        row = np.full((1, length), PAD_ID, dtype=details["dtype"])
        row[0, : len(ids)] = ids
        self.interpreter.set_tensor(details["index"], row)
        if self.keeps_state:
            self.interpreter.reset_all_variables()
        self.interpreter.invoke()
        (output,) = self.interpreter.get_output_details()
        return np.asarray(self.interpreter.get_tensor(output["index"])[0])

    def tokens(self, encoded: Encoding) -> int:
        """Number of tokens that are read, padding not counted."""
        return encoded.token_count


def open_naive(
    *,
    file: str,
    vocabulary: str,
    tokenizer: int,
    max_tokens: int,
    parameters: int,
    keeps_state: bool,
    threads: int,
    **_: Any,
) -> NaiveModel:
    """A contender of the benchmark.

    Args:
        file: a .tflite file of token ids ``[1, tokens]``.
        vocabulary: the student's ``vocab.txt``.
        tokenizer: its version.
        max_tokens: that are read of a text; a file of one length reads that many.
        parameters: number of the student's weights.
        keeps_state: whether its variables have to be reset before each text.
        threads: of LiteRT.
        **_: what only exporting it needs.
    """
    interpreter = Interpreter(model_path=file, num_threads=threads)
    interpreter.allocate_tensors()
    (details,) = interpreter.get_input_details()
    length = int(details["shape_signature"][-1])
    return NaiveModel(
        interpreter,
        Vocabulary.load(Path(vocabulary), tokenizer),
        max_tokens if length < 0 else length,
        length >= 0,
        keeps_state,
        parameters,
        sum(Path(path).stat().st_size for path in (file, vocabulary)),
    )
