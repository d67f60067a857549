"""How accurate students are.

    python -m benchmarks.accuracy reviews --sst2 $SST2_DIR --unlabelled imdb.txt.gz --logits logits.npy --vectors $TEACHER_DIR
    python -m benchmarks.accuracy sets --sst2 $SST2_DIR --sst2-teacher $TEACHER_DIR

Writes its results after each student, and goes on from there. ``benchmarks/results/accuracy.md`` tells what the trials mean.
"""

from pathlib import Path

import click

from benchmarks.accuracy.options import FOLDER, RESULTS, review_options
from benchmarks.accuracy.results import Results
from benchmarks.accuracy.sets import SETS, WHOLE_SENTENCES, write_set, write_whole_sentences
from benchmarks.accuracy.trials import MARKS, TRIALS


@click.group()
def main() -> None:
    """Reproduce benchmarks/results/accuracy.json, sst2-best.json and sets.json."""


@main.command()
@review_options
@click.option(
    "--what", type=click.Choice(["trials", "marks"]), default="trials", show_default=True, help="Which students."
)
@click.option("--only", multiple=True, help="Students to train; all if none is named.")
@click.option("--artefacts", type=click.Path(path_type=Path), help="Folder for an artefact of each, the first seed's.")
@click.option("--work", default=Path("runs/accuracy"), type=click.Path(path_type=Path), help="For what is trained.")
@click.option("--out", type=click.Path(path_type=Path), help="File of the results.")
def reviews(
    sst2: Path,
    unlabelled: Path,
    logits: Path,
    vectors: Path,
    what: str,
    only: tuple[str, ...],
    artefacts: Path | None,
    work: Path,
    out: Path | None,
) -> None:
    """Students of SST-2 and unlabelled review sentences: trials, or the marks."""
    from benchmarks.accuracy.reviews import Reviews, taught

    chosen, file = (TRIALS, "accuracy.json") if what == "trials" else (MARKS, "sst2-best.json")
    results = Results(out or RESULTS / file)
    data = Reviews(sst2, unlabelled, logits)
    work.mkdir(parents=True, exist_ok=True)
    for trial in chosen:
        for seed in range(trial.seeds) if not only or trial.name in only else ():
            if not results.has("reviews", trial.name, str(seed)):
                with taught(trial.train_options(), data, None, seed, vectors, work) as student:
                    results.put(student.quality(), "reviews", trial.name, str(seed))
                    if artefacts is not None and seed == 0:
                        student.export(artefacts / trial.name.replace(" ", "-"))


@main.command()
@click.option("--sst2", type=FOLDER, help="Folder of train.tsv and dev.tsv; its whole sentences are a set.")
@click.option("--sst2-teacher", type=FOLDER, help="A teacher fine-tuned on them.")
@click.option("--only", multiple=True, help="Sets; all if none is named.")
@click.option("--mix", multiple=True, help="What --perturb takes, comma-separated, to be tried on a part of train.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Students of each kind.")
@click.option("--work", default=Path("runs/sets"), type=click.Path(path_type=Path), help="For data and runs.")
@click.option("--out", default=RESULTS / "sets.json", type=click.Path(path_type=Path), help="File of the results.")
def sets(
    sst2: Path | None,
    sst2_teacher: Path | None,
    only: tuple[str, ...],
    mix: tuple[str, ...],
    seeds: int,
    work: Path,
    out: Path,
) -> None:
    """Labelled texts of different kinds with the defaults, or with other mixes of perturbations."""
    from benchmarks.accuracy.recovery import measure_mix, measure_recovery
    from kdbuild.measure.reference_models.minilm import minilm_folder

    if unknown := set(only) - {*SETS, *([WHOLE_SENTENCES] if sst2 else [])}:
        raise click.UsageError(
            f"--only {min(unknown)}: no such set. Choose of {', '.join(SETS)}; {WHOLE_SENTENCES} needs --sst2."
        )
    if (sst2 is None) != (sst2_teacher is None):
        raise click.UsageError("--sst2 and --sst2-teacher: give both, or neither.")
    results = Results(out)
    for name in only or (*SETS, *([WHOLE_SENTENCES] if sst2 else [])):
        folder = work / name.replace(" ", "-")
        data = write_whole_sentences(sst2, folder) if sst2 and name == WHOLE_SENTENCES else write_set(name, folder)
        teacher = str(sst2_teacher if name == WHOLE_SENTENCES else minilm_folder())
        if not mix and not results.has("sets", name, "static vectors"):
            measure_recovery(name, data, teacher, seeds, results, folder)
        for perturb in mix:
            if not results.has("mixes", name, perturb):
                chosen_on = data / "chosen-on"
                measure_mix(name, chosen_on, teacher, tuple(perturb.split(",")), seeds, results, chosen_on)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.accuracy")
