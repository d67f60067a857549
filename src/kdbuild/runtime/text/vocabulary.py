"""The frozen vocabulary: from tokens to ids, in one place for training, export and the runtime."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.encoding import MASK_ID, PAD_ID, UNK_ID, Encoding
from kdbuild.runtime.text.tokenizer import iter_tokens

__all__ = ["MASK", "MASK_ID", "PAD", "PAD_ID", "SPECIAL", "UNK", "UNK_ID", "Encoding", "Vocabulary"]

PAD, UNK, MASK = "<pad>", "<unk>", "<mask>"
SPECIAL = (PAD, UNK, MASK)


class Vocabulary:
    """A frozen list of tokens; a token's place is its id, and the first three are ``<pad>``, ``<unk>``, ``<mask>``.

    Args:
        tokens: all tokens in order.

    Raises:
        BadInputError: the special tokens aren't where they belong, or a token is empty, has a space, or stands there twice.
    """

    def __init__(self, tokens: Sequence[str]):
        if tuple(tokens[:3]) != SPECIAL:
            raise BadInputError(
                f"vocabulary starts with {list(tokens[:3])}: its first tokens must be {', '.join(SPECIAL)}."
            )
        self.tokens = tuple(tokens)
        self._ids = dict(zip(self.tokens, range(len(tokens)), strict=True))
        if len(self._ids) != len(tokens):
            twice = next(token for index, token in enumerate(tokens) if self._ids[token] != index)
            raise BadInputError(f"vocabulary holds {twice!r} twice: every token needs one id. Rebuild the vocabulary.")
        lines = "\n".join(self.tokens)  # looked through at once: token by token takes ten times as long
        if "" in self._ids or " " in lines or lines.count("\n") >= len(tokens):
            raise BadInputError("vocabulary holds an empty token or one with white space. Rebuild the vocabulary.")

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    @classmethod
    def build(cls, texts: Iterable[Sequence[str]]) -> "Vocabulary":
        """Every distinct token of tokenised texts, most frequent first, ties in code point order."""
        counts: dict[str, int] = {}
        for tokens in texts:
            for token in tokens:
                counts[token] = counts.get(token, 0) + 1
        for token in SPECIAL:
            counts.pop(token, None)
        return cls([*SPECIAL, *sorted(counts, key=lambda token: (-counts[token], token))])

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read ``vocab.txt``: UTF-8, one token a line, the line number is the id."""
        from kdbuild.runtime.data.readers import (
            read_text,  # 3 ms to import, and an artefact's vocabulary isn't read this way
        )

        text = read_text(path)
        return cls(text.removesuffix("\n").split("\n"))

    def to_bytes(self) -> bytes:
        """The content of ``vocab.txt``."""
        return "\n".join((*self.tokens, "")).encode("utf-8")

    @property
    def sha256(self) -> str:
        """Digest of ``vocab.txt``."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of tokens, that of ``<unk>`` for those that aren't in the vocabulary."""
        get = self._ids.get
        return [get(token, UNK_ID) for token in tokens]

    def text_ids(self, tokens: Sequence[str]) -> list[int]:
        """Look a text's tokens up as :meth:`ids` does; a text without any is ``<unk>``, so that there is always an id."""
        return self.ids(tokens) or [UNK_ID]

    def encode_tokens(self, tokens: Iterable[str], max_tokens: int) -> Encoding:
        """Look up the first ``max_tokens`` tokens of a text that is tokenised; no more than one further is read."""
        read = list(islice(tokens, max_tokens + 1))
        truncated = len(read) > max_tokens
        del read[max_tokens:]
        return Encoding(array("i", self.text_ids(read)), read, truncated)

    def encode(self, text: str, max_tokens: int) -> Encoding:
        """Tokenise a text and look up its first ``max_tokens`` tokens."""
        return self.encode_tokens(iter_tokens(text), max_tokens)
