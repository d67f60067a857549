"""The format of MediaPipe Tasks: a file of its own kind, which reads a fixed number of ids and answers with probabilities."""

from collections.abc import Mapping
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.export.formats.format import MOST_LAYERS, Content, Format
from kdbuild.export.formats.mediapipe.graph import write_mediapipe
from kdbuild.export.model import StudentShape
from kdbuild.export.reference import ReferenceLogits
from kdbuild.runtime.artefact import Manifest
from kdbuild.runtime.engines.mediapipe import expected_answer
from kdbuild.runtime.engines.registry import Precision
from kdbuild.runtime.text.encoding import WORDS

DEFAULT_TOKENS = 64
"""Tokens that the file reads of a text, unless another number is asked for, or the student reads fewer."""


class MediaPipe(Format):
    """Files for MediaPipe's ``TextClassifier``, with int8 weights, vocabulary and labels inside.

    They hold no student that reads pieces: a ``RegexTokenizer`` looks up whole tokens alone. MediaPipe's ``BertTokenizer`` cuts
    pieces, but of other words: where words end is fixed in it, at every ASCII symbol, so that ``don't``, ``3.14``, ``...`` and
    ``well-known`` never come out as ours do; and a word that it can't cut to its end, or of over 100 bytes, is wholly unknown.
    """

    most_layers = MOST_LAYERS

    def unsupported(self, shape: StudentShape) -> str | None:
        """What MediaPipe can't read, beside what no format holds."""
        if shape.tokenizer != WORDS:
            return (
                "that reads pieces of words, which MediaPipe's tokenizer can't cut. "
                "Train one with --tokenizer words, or use this one in torch"
            )
        return super().unsupported(shape)

    def check(self, shape: StudentShape, settings: Mapping[str, Any]) -> None:
        """Check ``--mediapipe-tokens``.

        Raises:
            BadInputError: the file would read nothing, or more than the student.
        """
        tokens = settings.get("mediapipe_tokens")
        if tokens is None:
            return
        if tokens < 1:
            raise BadInputError(f"--mediapipe-tokens {tokens}: it would read nothing of a text. Give 1 or more.")
        if tokens > shape.max_tokens:
            raise BadInputError(
                f"--mediapipe-tokens {tokens}: the student reads {shape.max_tokens} tokens of a text. "
                f"Give {shape.max_tokens} or less, or distil one with a larger --max-tokens."
            )

    def write(self, content: Content, precision: Precision) -> bytes:
        """See :func:`write_mediapipe`."""
        return write_mediapipe(
            content.student,
            content.vocabulary,
            content.labels,
            tokens=_tokens(content),
            temperature=content.temperature,
            multi_label=content.shape.multi_label,
        )

    def parts(self, content: Content, precision: Precision) -> dict[str, int]:
        """Unknown: MediaPipe's vocabulary lies in the file, too, and the operator takes one scale a gate."""
        return {}

    def reference(self, reference: ReferenceLogits, content: Content) -> ReferenceLogits:
        """What the student says of the first tokens, as probabilities that are read as logits again."""
        return reference.truncated(_tokens(content)).mapped(
            lambda logits: expected_answer(
                logits, temperature=content.temperature, multi_label=content.shape.multi_label
            )
        )

    def usage(self, file: str, manifest: Manifest) -> list[str]:
        """How to run the file with MediaPipe."""
        each = ", each label's by itself; compare them with the thresholds below" if manifest.task == "multi" else ""
        return [
            f"`{file}` is for MediaPipe's `TextClassifier`, on a phone or in Python (`pip install mediapipe`), and "
            f"has its own tokenizer, vocabulary and labels in it. Its scores are probabilities{each}:",
            "",
            "```python",
            "from mediapipe.tasks.python.text import TextClassifier",
            "",
            f'with TextClassifier.create_from_model_path("{file}") as classifier:',
            '    for category in classifier.classify("some text").classifications[0].categories:',
            "        print(category.category_name, category.score)",
            "```",
            "",
        ]

    def remarks(self, file: str, manifest: Manifest) -> list[str]:
        """How many tokens it was compared on."""
        tokens = manifest.metrics.get("held_out", {}).get("files", {}).get(file, {}).get("tokens")
        if tokens is None:
            return []
        return [
            "",
            f"`{file}` reads the first {tokens:,} tokens of a text, and was compared with what the student says of "
            "these; its differences are those of the logits that its scores come from.",
        ]


def _tokens(content: Content) -> int:
    """How many tokens the file reads."""
    asked = content.settings.get("mediapipe_tokens")
    return min(DEFAULT_TOKENS, content.shape.max_tokens) if asked is None else int(asked)
