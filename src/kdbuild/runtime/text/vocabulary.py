"""The frozen vocabulary: from tokens to ids, in one place for training, export and the runtime."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.encoding import MASK_ID, PAD_ID, PIECES, UNK_ID, WORDS, Encoding
from kdbuild.runtime.text.normalize import normalize
from kdbuild.runtime.text.pieces import CONTINUED, Cutter, Piece, is_unspaced, runs
from kdbuild.runtime.text.tokenizer import iter_tokens

__all__ = ["MASK", "MASK_ID", "PAD", "PAD_ID", "PIECES", "SPECIAL", "UNK", "UNK_ID", "WORDS", "Encoding", "Vocabulary"]

PAD, UNK, MASK = "<pad>", "<unk>", "<mask>"
SPECIAL = (PAD, UNK, MASK)


class Vocabulary:
    """A frozen list of tokens; a token's place is its id, and the first three are ``<pad>``, ``<unk>``, ``<mask>``.

    Args:
        tokens: all tokens in order.
        version: the tokenizer's; from version 2 on, tokens that begin with ``##`` are pieces that continue a word.

    Raises:
        BadInputError: the special tokens aren't where they belong, or a token is empty, has a space, or stands there twice.
    """

    def __init__(self, tokens: Sequence[str], version: int = WORDS):
        if tuple(tokens[:3]) != SPECIAL:
            raise BadInputError(
                f"vocabulary starts with {list(tokens[:3])}: its first tokens must be {', '.join(SPECIAL)}."
            )
        self.tokens = tuple(tokens)
        self.version = version
        self._ids = dict(zip(self.tokens, range(len(tokens)), strict=True))
        if len(self._ids) != len(tokens):
            twice = next(token for index, token in enumerate(tokens) if self._ids[token] != index)
            raise BadInputError(f"vocabulary holds {twice!r} twice: every token needs one id. Rebuild the vocabulary.")
        lines = "\n".join(self.tokens)  # looked through at once: token by token takes ten times as long
        if "" in self._ids or " " in lines or lines.count("\n") >= len(tokens):
            raise BadInputError("vocabulary holds an empty token or one with white space. Rebuild the vocabulary.")
        self._cutter: Cutter | None = None

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
    def load(cls, path: Path, version: int = WORDS) -> "Vocabulary":
        """Read ``vocab.txt``: UTF-8, one token a line, the line number is the id."""
        from kdbuild.runtime.data.readers import (
            read_text,  # 3 ms to import, and an artefact's vocabulary isn't read this way
        )

        text = read_text(path)
        vocabulary = cls(text.removesuffix("\n").split("\n"), version)
        vocabulary.check_pieces()
        return vocabulary

    def check_pieces(self) -> None:
        """Check that every piece can be reached.

        Raises:
            BadInputError: one can't: nothing is behind its mark, it isn't normalised, its script has no spaces, or nothing
                begins a word.
        """
        if self.version < PIECES:
            return
        pieces = [token for token in self.tokens if token.startswith(CONTINUED)]
        if pieces and len(pieces) == len(self) - len(SPECIAL):
            raise BadInputError(
                f"vocabulary holds {pieces[0]!r}, which continues a word, and nothing that begins one. "
                "Rebuild the vocabulary."
            )
        for token in pieces:
            piece = token.removeprefix(CONTINUED)
            if not piece:
                raise BadInputError(f"vocabulary holds {token!r}: nothing is behind the mark. Rebuild the vocabulary.")
            if normalize(piece) != piece:
                raise BadInputError(
                    f"vocabulary holds {token!r}: no text has that piece, as words are normalised to "
                    f"{normalize(piece)!r}. Rebuild the vocabulary."
                )
            if len(piece) > 1 and is_unspaced(piece[0]):
                raise BadInputError(
                    f"vocabulary holds {token!r}: nothing continues a word in a script without spaces. "
                    "Rebuild the vocabulary."
                )

    def to_bytes(self) -> bytes:
        """The content of ``vocab.txt``."""
        return "\n".join((*self.tokens, "")).encode("utf-8")

    @property
    def sha256(self) -> str:
        """Digest of ``vocab.txt``."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def cutter(self) -> Cutter:
        """What cuts words into pieces."""
        if self._cutter is None:
            self._cutter = Cutter(self._ids)
        return self._cutter

    def pieces(self, tokens: Iterable[str]) -> Iterator[Piece]:
        """Yield the pieces of a text's tokens as they are asked for; with version 1 the tokens themselves."""
        if self.version < PIECES:
            for token in tokens:
                yield Piece(token, self._ids.get(token, UNK_ID), True)
            return
        cut = self.cutter.cut
        for run in runs(tokens):
            yield from cut(run)

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of a text's tokens, that of ``<unk>`` for what isn't in the vocabulary."""
        if self.version < PIECES:
            get = self._ids.get
            return [get(token, UNK_ID) for token in tokens]
        return [piece.id for piece in self.pieces(tokens)]

    def text_ids(self, tokens: Iterable[str], max_tokens: int | None = None) -> list[int]:
        """The ids of a text's tokens as :meth:`ids` has them, at most so many; a text without any is ``<unk>``."""
        if max_tokens is None:
            return self.ids(tokens) or [UNK_ID]
        return self.encode_tokens(tokens, max_tokens).ids.tolist()

    def encode_tokens(self, tokens: Iterable[str], max_tokens: int) -> Encoding:
        """Look up a text that is tokenised, until it has ``max_tokens`` ids.

        Of the tokens no more than one further is read, and, in a script without spaces, the rest of its run.
        """
        read = list(islice(tokens := iter(tokens), max_tokens + 1))
        get = self._ids.get
        known = [get(token, UNK_ID) for token in read]
        # Most texts hold words of the vocabulary alone, and no script without spaces.
        if self.version >= PIECES and (UNK_ID in known or not "".join(read).isascii()):
            return self._encode_pieces(self.pieces(chain(read, tokens)), max_tokens)
        truncated = len(read) > max_tokens
        del read[max_tokens:], known[max_tokens:]
        return Encoding(array("i", known or [UNK_ID]), read, [1] * len(read), truncated)

    @staticmethod
    def _encode_pieces(pieces: Iterable[Piece], max_tokens: int) -> Encoding:
        """Put pieces together to words, until there are ``max_tokens``."""
        ids: list[int] = []
        words: list[list[str]] = []
        truncated = False
        for text, id_, begins in pieces:
            if len(ids) == max_tokens:
                truncated = True
                break
            ids.append(id_)
            if begins:
                words.append([text])
            else:
                words[-1].append(text)
        return Encoding(
            array("i", ids), ["".join(parts) for parts in words], [len(parts) for parts in words], truncated
        )

    def encode(self, text: str, max_tokens: int) -> Encoding:
        """Tokenise a text and look up its first ``max_tokens`` ids."""
        return self.encode_tokens(iter_tokens(text), max_tokens)
