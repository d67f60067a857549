"""What pieces give and cost, against words.

    python -m benchmarks.pieces reviews --sst2 $SST2_DIR --unlabelled imdb.txt.gz --logits logits.npy --vectors $TEACHER_DIR
    python -m benchmarks.pieces scripts --data $DATA
    python -m benchmarks.pieces latency --words ARTEFACT --pieces ARTEFACT --texts dev.tsv

Writes ``benchmarks/results/pieces.json``, after each student, and goes on from there; ``pieces.md`` tells what it means.
"""

from pathlib import Path

import click

from benchmarks.accuracy.options import FILE, FOLDER, RESULTS, review_options
from benchmarks.accuracy.results import Results
from benchmarks.pieces.setups import REVIEWS

PIECES = RESULTS / "pieces.json"


@click.group()
def main() -> None:
    """Reproduce benchmarks/results/pieces.json."""


@main.command()
@review_options
@click.option("--work", default=Path("runs/pieces"), type=click.Path(path_type=Path), help="For what is trained.")
@click.option("--only", multiple=True, help="Setups to measure; all if none is named.")
@click.option("--out", default=PIECES, type=click.Path(path_type=Path), help="File of the results.")
def reviews(
    sst2: Path, unlabelled: Path, logits: Path, vectors: Path, work: Path, only: tuple[str, ...], out: Path
) -> None:
    """Students of SST-2 and unlabelled review sentences."""
    from benchmarks.accuracy.reviews import Reviews
    from benchmarks.pieces.reviews import measure

    results = Results(out)
    data = Reviews(sst2, unlabelled, logits)
    work.mkdir(parents=True, exist_ok=True)
    for setup, seeds in REVIEWS:
        if only and setup.name not in only:
            continue
        for seed in range(seeds):
            if not results.has("reviews", setup.name, str(seed)):
                results.put(measure(setup, seed, data, vectors, work), "reviews", setup.name, str(seed))


@main.command()
@click.option("--data", required=True, type=FOLDER, help="Folder with a folder of train.tsv and dev.tsv for each set.")
@click.option("--sets", default="thai,chinese", show_default=True, help="The sets' folders.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Students of each kind.")
@click.option("--work", default=Path("runs/pieces"), type=click.Path(path_type=Path), help="For what is trained.")
@click.option("--out", default=PIECES, type=click.Path(path_type=Path), help="File of the results.")
def scripts(data: Path, sets: str, seeds: int, work: Path, out: Path) -> None:
    """Texts in scripts without spaces, with baselines on n-grams of characters."""
    from benchmarks.pieces import scripts as measured

    results = Results(out)
    work.mkdir(parents=True, exist_ok=True)
    for name in sets.split(","):
        folder = data / name
        if not results.has("scripts", name, "TF-IDF"):
            results.put(measured.tfidf(folder), "scripts", name, "TF-IDF")
        if not results.has("scripts", name, "fastText"):
            results.put(measured.fasttext(folder, work), "scripts", name, "fastText")
        for tokenizer in ("pieces", "words"):
            for seed in range(seeds):
                if not results.has("scripts", name, tokenizer, str(seed)):
                    found = measured.student(folder, tokenizer, seed, work)
                    results.put(found, "scripts", name, tokenizer, str(seed))


@main.command()
@click.option("--words", required=True, type=FOLDER, help="Artefact of a student with --tokenizer words.")
@click.option("--pieces", required=True, type=FOLDER, help="Artefact of one of the same shape with pieces.")
@click.option("--texts", required=True, type=FILE, help="Texts to answer.")
@click.option("--out", default=PIECES, type=click.Path(path_type=Path), help="File of the results.")
def latency(words: Path, pieces: Path, texts: Path, out: Path) -> None:
    """Whole answers of the native engine, in turns, one thread."""
    from kdbuild.measure.latency import measure_latency
    from kdbuild.runtime import Classifier
    from kdbuild.runtime.data.readers import read_rows

    sentences = read_rows(texts).texts[:300]
    calls = {}
    ids = {}
    for name, folder in (("words", words), ("pieces", pieces)):
        classify = Classifier.load(folder, engine="native")
        calls[name] = lambda text, classify=classify: classify.labels.index(classify(text).label or classify.labels[0])
        ids[name] = sum(classify.encode(text).token_count for text in sentences) / len(sentences)
    report = measure_latency(calls, sentences, rounds=10)
    medians = {found.name: found.median_ms * 1000 for found in report.latencies}
    Results(out).put(
        {"microseconds": medians, "ids a text": ids, "texts": len(sentences)}, "latency", texts.parent.name
    )


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.pieces")
