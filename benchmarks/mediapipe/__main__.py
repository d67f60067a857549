"""``python -m benchmarks.mediapipe``: write the files, run them in MediaPipe, write the tables."""

import json
import subprocess
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.mediapipe import variants
from benchmarks.mediapipe.report import page
from benchmarks.mediapipe.texts import running_text
from kdbuild.export.formats.mediapipe.format import DEFAULT_TOKENS
from kdbuild.export.formats.mediapipe.graph import build_graph, write_mediapipe
from kdbuild.export.formats.mediapipe.metadata import pack_text_classifier
from kdbuild.export.formats.mediapipe.vocabulary import SpelledVocabulary, delimiter_pattern, spell
from kdbuild.export.golden_texts import GOLDEN_TEXTS
from kdbuild.export.student_model import student_model
from kdbuild.measure.environment import environment
from kdbuild.runtime.data.readers import read_text
from kdbuild.runtime.text.vocabulary import SPECIAL, UNK_ID, Vocabulary
from kdbuild.trainer.student.bilstm import load_student, student_logits

RESULTS = Path(__file__).parents[1] / "results"
VERSIONS = ("0.10.14", "0.10.21", "0.10.35", "1.2.3")
MAX_TOKENS = 512
TRAINING_ROWS = 2000
# Twice a text's tokens: none of the sets' texts is cut off where tokens are compared.
PROBED = 256

Texts = Mapping[str, Sequence[str]]


def python_with_mediapipe(work: Path, version: str) -> Path:
    """The Python of a virtual environment with a version of MediaPipe, made once."""
    folder = work / f"mediapipe-{version}"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"mediapipe=={version}"], check=True)
        done.touch()
    return python


def in_mediapipe(
    python: Path, models: Mapping[str, bytes], texts: Texts, timed: Sequence[str] = (), rounds: int = 0
) -> dict[str, Any]:
    """What ``classify.py`` says of models."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for place, (name, data) in enumerate(models.items()):
            path = Path(folder, f"{place}.tflite")
            path.write_bytes(data)
            paths[name] = str(path)
        request = {"models": paths, "texts": texts, "timed": timed, "rounds": rounds}
        script = Path(__file__).with_name("classify.py")
        answer = subprocess.run(
            [str(python), str(script)], input=json.dumps(request), capture_output=True, text=True, check=True
        )
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return result


def ways_to_cut(vocabulary: Vocabulary) -> dict[str, tuple[str, SpelledVocabulary]]:
    """Patterns and vocabularies, by what the table calls them; ours is the last."""
    lines = "<PAD> 0\n<UNKNOWN> 1\n"
    lines += "".join(
        f"{token} {index}\n" for index, token in enumerate(vocabulary.tokens[len(SPECIAL) :], len(SPECIAL))
    )
    small = SpelledVocabulary(lines.encode("utf-8"), ())
    return {
        r"`\s+`, the vocabulary as it is": (r"\s+", small),
        r"`[^\w\']+` (Model Maker's), the vocabulary as it is": (r"[^\w\']+", small),
        "our pattern, the vocabulary as it is": (delimiter_pattern(), small),
        r"`\s+`, our spellings": (r"\s+", SpelledVocabulary(spell(vocabulary).lines, spell(vocabulary).pairs)),
        "our pattern, our spellings": (delimiter_pattern(), spell(vocabulary)),
    }


def read_ids(
    scores: Sequence[Mapping[str, float]], vocabulary: Vocabulary, spelled: SpelledVocabulary
) -> list[list[int]]:
    """The token ids of texts from the scores of the model whose scores are ids; pairs in full, without padding."""
    pairs = {len(vocabulary) + place: pair for place, pair in enumerate(spelled.pairs)}
    rows = []
    for row in scores:
        ids = [int(row[str(place)]) for place in range(len(row))]
        # The graph reads a text without tokens as one <unk>.
        rows.append([word for index in ids if index for word in pairs.get(index, (index,))] or [UNK_ID])
    return rows


def margins(scores: Sequence[Mapping[str, float]], labels: Sequence[str]) -> npt.NDArray[np.float64]:
    """How much larger the first label's logit is than the second's, ``[texts]``."""
    first, second = (np.array([row[label] for row in scores]) for label in labels)
    return np.asarray(np.log(first) - np.log(second))


@click.command()
@click.option("--student", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True, help="GLUE's SST-2."
)
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), required=True, help="For MediaPipe.")
@click.option("--rounds", default=3, show_default=True, help="Over dev, for the time of a text.")
def benchmark(student: Path, data: Path, work: Path, rounds: int) -> None:
    """Write benchmarks/results/mediapipe.json and mediapipe.md."""
    trained, vocabulary = load_student(student)
    labels = [trained.config.id2label[index] for index in range(len(trained.config.id2label))]
    weights = student_model(trained)
    dev = [line.split("\t") for line in read_text(data / "dev.tsv").splitlines()[1:]]
    truth = np.array([int(label) for _, label in dev])
    train = [line.split("\t")[0] for line in read_text(data / "train.tsv").splitlines()[1 : TRAINING_ROWS + 1]]
    texts: Texts = {
        "dev": [text for text, _ in dev],
        "dev as running text": [running_text(text.split(), row) for row, (text, _) in enumerate(dev)],
        "train": train,
        "train as running text": [running_text(text.split(), row) for row, text in enumerate(train)],
        # MediaPipe takes texts as C strings.
        "golden": [text for text in GOLDEN_TEXTS if "\0" not in text and len(text) <= PROBED],
    }
    our_ids = {
        name: [vocabulary.encode(text, MAX_TOKENS).ids.tolist() for text in rows] for name, rows in texts.items()
    }
    our_margins = {
        name: np.subtract(*student_logits(trained, ids).astype(np.float64).T) for name, ids in our_ids.items()
    }
    result: dict[str, Any] = {
        "texts": {name: len(rows) for name, rows in texts.items()},
        "tokens": DEFAULT_TOKENS,
        "vocabulary": len(vocabulary),
        "spellings": spell(vocabulary).lines.count(b"\n"),
        "spellings_bytes": len(spell(vocabulary).lines),
        "pattern_characters": len(delimiter_pattern()),
        "student_dev_accuracy": float(np.mean((our_margins["dev"] < 0) == truth)),
        "rounds": rounds,
    }

    def compare(answer: Mapping[str, Any], model: str, name: str) -> dict[str, Any]:
        found = margins(answer["scores"][model][name], labels)
        return {
            "labels_equal": int(np.sum((found < 0) == (our_margins[name] < 0))),
            "largest_difference": float(np.abs(found - our_margins[name]).max()),
        }

    python = {version: python_with_mediapipe(work, version) for version in VERSIONS}
    latest = VERSIONS[-1]
    shipped = write_mediapipe(weights, vocabulary, labels, tokens=DEFAULT_TOKENS)

    result["versions"] = {}
    for version in VERSIONS:
        answer = in_mediapipe(python[version], {"file": shipped}, texts, texts["dev"], rounds)
        rows = {name: compare(answer, "file", name) for name in texts}
        found = margins(answer["scores"]["file"]["dev"], labels)
        result["versions"][version] = {
            "texts": rows,
            "dev_accuracy": float(np.mean((found < 0) == truth)),
            "first_answer_ms": answer["first_answer_ms"]["file"],
            "text_ms": answer["text_ms"]["file"],
        }
        click.echo(f"{version}: {result['versions'][version]}")

    result["cut"] = {}
    for way, (pattern, spelled) in ways_to_cut(vocabulary).items():

        def packed(
            graph: Any, names: Sequence[str], pattern: str = pattern, spelled: SpelledVocabulary = spelled
        ) -> bytes:
            return pack_text_classifier(graph, pattern=pattern, vocabulary=spelled.lines, labels=names)

        models = {
            "ids": packed(variants.ids_as_scores(PROBED), [str(place) for place in range(PROBED)]),
            "classifier": packed(build_graph(weights, spelled.pairs, tokens=DEFAULT_TOKENS), labels),
        }
        answer = in_mediapipe(python[latest], models, texts)
        result["cut"][way] = {
            "bytes": len(models["classifier"]),
            "first_answer_ms": answer["first_answer_ms"]["classifier"],
        }
        for name in texts:
            ids = read_ids(answer["scores"]["ids"][name], vocabulary, spelled)
            equal = [found == ours for found, ours in zip(ids, our_ids[name], strict=True)]
            result["cut"][way][name] = {"tokens_equal": sum(equal), **compare(answer, "classifier", name)}
            if pattern == delimiter_pattern() and spelled.pairs:
                result.setdefault("different", {})[name] = [
                    # Other people's texts aren't published: their rows are.
                    text if name == "golden" else row
                    for row, (text, same) in enumerate(zip(texts[name], equal, strict=True))
                    if not same
                ]
        click.echo(f"{way}: {result['cut'][way]}")

    pattern, small = next(iter(ways_to_cut(vocabulary).values()))
    graphs = {
        "fused, int8 (ours)": build_graph(weights, (), tokens=DEFAULT_TOKENS),
        "fused, int8, activations with a zero point": variants.fused(
            weights, DEFAULT_TOKENS, int8=True, asymmetric=True
        ),
        "fused, fp32": variants.fused(weights, DEFAULT_TOKENS, int8=False),
        "unrolled, int8": variants.unrolled(weights, DEFAULT_TOKENS),
    }
    models = {
        name: pack_text_classifier(graph, pattern=pattern, vocabulary=small.lines, labels=labels)
        for name, graph in graphs.items()
    }
    # The same tokens for all, so that only the graphs differ.
    plain = {"dev": [" ".join(vocabulary.tokens[index] for index in ids if index != UNK_ID) for ids in our_ids["dev"]]}
    plain_ids = [vocabulary.ids(text.split()) for text in plain["dev"]]
    our_margins["dev"] = np.subtract(*student_logits(trained, plain_ids).astype(np.float64).T)
    answer = in_mediapipe(python[latest], models, plain, plain["dev"], rounds)
    result["graphs"] = {
        name: {
            "bytes": len(data),
            **compare(answer, name, "dev"),
            "first_answer_ms": answer["first_answer_ms"][name],
            "text_ms": answer["text_ms"][name],
        }
        for name, data in models.items()
    }
    result["environment"] = environment(threads=1)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "mediapipe.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (RESULTS / "mediapipe.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    benchmark(prog_name="python -m benchmarks.mediapipe")
