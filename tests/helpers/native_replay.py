"""Answers of the native engine as 32 bits a text, from any processor: in this machine, in node, or emulated."""

import random
import struct
import subprocess
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from kdbuild.runtime.native.binding import PATHS
from texts import CASES, PIECES, SENTENCES, mutated, random_text

FOLDER = Path(__file__).with_name("replay")
UTF8, UTF16 = 0, 1
Command = Callable[[Path, Sequence[str | Path]], list[str]]
"""Makes the command that runs a program with arguments."""


def fuzzed_texts(count: int, words: Sequence[str], seed: int = 0) -> list[tuple[int, bytes]]:
    """Texts with their encodings: known words, whatever the tokenizer's rules look at, noise, and bytes that are no text."""
    draw = random.Random(seed)
    cases = [text for group in CASES.values() for text, _ in group]

    def text() -> str:
        kind = draw.randrange(6)
        if kind < 2:
            return " ".join(draw.choices(words, k=draw.randint(1, 24)))
        if kind == 2:
            return mutated(draw, draw.choice(SENTENCES))
        if kind == 3:
            return "".join(draw.choice((" ", "", "")).join(draw.choices([*PIECES, *words], k=draw.randint(0, 30))))
        return random_text(draw) if kind == 4 else draw.choice(cases)

    def encoded() -> tuple[int, bytes]:
        if draw.random() < 0.3:
            return UTF16, text().encode("utf-16-le", "surrogatepass")
        content = bytearray(text().encode("utf-8", "surrogatepass"))
        for _ in range(draw.choice((0, 0, 0, 1, 3)) if content else 0):
            content[draw.randrange(len(content))] = draw.randrange(256)
        return UTF8, bytes(content)

    return [encoded() for _ in range(count)]


def write_texts(path: Path, texts: Sequence[tuple[int, bytes]]) -> Path:
    """The file that the program reads."""
    entries = [struct.pack("<2I", encoding, len(content)) + content for encoding, content in texts]
    path.write_bytes(struct.pack("<I", len(texts)) + b"".join(entries))
    return path


def run_here(program: Path, arguments: Sequence[str | Path]) -> list[str]:
    """The command on this processor."""
    return [str(word) for word in (program, *arguments)]


def answers(
    command: Command, program: Path, model: Path, texts: Path, path: str | None = None, *, hostile: bool = False
) -> tuple[str, int, "array[int]"]:
    """Replay texts.

    Args:
        command: runs a program.
        program: the compiled ``replay.c``, or a WebAssembly library for :func:`in_node`.
        model: the native file.
        texts: of :func:`write_texts`.
        path: an instruction set; the best if None.
        hostile: call with the floating-point unit in another state than the usual one.

    Returns:
        The instruction set, how many of the file's golden texts were right, and a hash of each text's answers.
    """
    out = texts.with_name(f"{texts.stem}-{random.getrandbits(64):x}.out")
    number = -1 if path is None else PATHS.index(path)
    arguments: list[str | Path] = [model, texts, out, str(number), str(int(hostile))]
    done = subprocess.run(command(program, arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    name, golden = done.stdout.split()
    hashes = array("I", out.read_bytes())
    out.unlink()
    return name, int(golden), hashes


def in_node(library: Path, arguments: Sequence[str | Path]) -> list[str]:
    """The command for a WebAssembly library; node makes its own state of the floating-point unit."""
    return [str(word) for word in ("node", FOLDER / "replay.mjs", library, *arguments)]
