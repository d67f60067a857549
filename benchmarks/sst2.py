"""The article's ablation on SST-2: hard labels, the teacher's labels, the teacher's labels over the augmented set.

    python benchmarks/sst2.py --data $SST2_DIR --teacher $TEACHER_DIR --work runs/sst2

Trains the three students (resumable: the same command goes on), exports the last as an int8 artefact, evaluates it on
dev, and writes ``benchmarks/results/sst2.json`` and ``sst2.md``. About an hour on two cores.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kdbuild.cli.native_log import quiet_native_log
from kdbuild.cli.training_extra import require_training
from kdbuild.export.formats.registry import FORMATS
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.export.trained import trained_by
from kdbuild.measure.environment import environment
from kdbuild.trainer.options import TeacherOptions, TrainOptions
from kdbuild.trainer.run.ablation import ARTICLE
from kdbuild.trainer.run.runner import Run
from kdbuild.trainer.run.start import start

RESULTS = Path(__file__).parent / "results"
STAGES = ("teacher", "augment", "label", "distill")


def students(teacher: str) -> dict[str, TrainOptions]:
    """The article's three runs by name; shape and settings are the defaults (300/300/400, mse, lr 1e-3)."""
    options = TrainOptions(teacher=TeacherOptions(teacher=(teacher,)))
    return {name: change(options) for name, change in ARTICLE.items()}


def describe(run: Run) -> dict[str, Any]:
    """What the table says of a run."""
    records = {stage: run.folder.record(stage) for stage in run.stages}
    student = records["distill"]
    return {
        "dev": student["dev"],
        "parameters": student["parameters"],
        "vocabulary": student["vocabulary"],
        "dev_oov_rate": student["dev_oov_rate"],
        "epochs": run.options.training.epochs,
        "transfer_sentences": records.get("augment", {}).get("sentences", len(run.data.train)),
        "seconds": {stage: records[stage]["seconds"] for stage in STAGES if stage in records},
    }


def percent(metrics: dict[str, Any]) -> str:
    """Accuracy with its interval."""
    low, high = metrics["interval"]
    return f"{metrics['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def table(result: dict[str, Any]) -> str:
    """The Markdown page."""
    env = result["environment"]
    lines = [
        "# SST-2",
        "",
        f"GLUE SST-2: {result['train_rows']:,} training rows, dev ({result['dev_rows']} rows) chose nothing.",
        f"Teacher: `{result['teacher_name']}`. Student: 300/300/400, word vectors derived from the teacher. One seed.",
        "Intervals are 95 % (Wilson).",
        "",
        "| | trained on | epochs | dev accuracy | teacher, augment, label, distill (s) |",
        "|---|---|---|---|---|",
        f"| teacher | | | {percent(result['teacher'])} | |",
    ]
    for name, run in result["students"].items():
        seconds = ", ".join(str(round(run["seconds"][stage])) if stage in run["seconds"] else "-" for stage in STAGES)
        lines.append(
            f"| {name} | {run['transfer_sentences']:,} | {run['epochs']:g} | {percent(run['dev'])} | {seconds} |"
        )
    lines += [
        "",
        "The artefact of the last student, against the student in PyTorch:",
        "",
        "| file | bytes | dev accuracy | labels changed | max Δ logit |",
        "|---|---|---|---|---|",
    ]
    for name, file in result["artefact"].items():
        lines.append(
            f"| `{name}` | {file['bytes']:,} | {percent(file['metrics'])} | {file['flip_rate']:.2%} | "
            f"{file['max_logit_difference']:.2g} |"
        )
    lines += [
        "",
        f"Machine: {env['cpu']}, {env['usable_cores']} cores, Python {env['python']}, torch {env['packages']['torch']}. "
        + result["remark"],
        "",
        "```",
        "python benchmarks/sst2.py --data $SST2_DIR --teacher $TEACHER_DIR --work runs/sst2",
        "```",
    ]
    return "".join(line + "\n" for line in lines)


@click.command()
@click.option(
    "--data", required=True, type=click.Path(path_type=Path, exists=True), help="Folder with train.tsv and dev.tsv."
)
@click.option(
    "--teacher", required=True, type=click.Path(path_type=Path, exists=True), help="A teacher fine-tuned on them."
)
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for the runs.")
@click.option("--remark", default="", help="A sentence for the page, on the circumstances of the run.")
def main(data: Path, teacher: Path, work: Path, remark: str) -> None:
    """Reproduce benchmarks/results/sst2.md."""
    require_training()
    runs = {}
    for name, options in students(str(teacher)).items():
        runs[name] = start(data, work / name.replace("'", "").replace(",", "").replace(" ", "-"), options)
        runs[name].run()
    last = runs["teacher's labels, augmented"]
    with quiet_native_log():
        made = export_student(
            trained_by(last.folder.path), work / "artefact", formats=FORMATS.names, quantize=True, limits=Limits()
        )
    result = {
        "train_rows": len(last.data.train),
        "dev_rows": len(last.data.dev),
        "teacher_name": teacher.name,
        "teacher": last.folder.record("teacher")["dev"],
        "students": {name: describe(run) for name, run in runs.items()},
        "artefact": {name: {"bytes": made.sizes[name], **asdict(made.comparisons[name])} for name in made.sizes},
        "remark": remark,
        "environment": environment(threads=2),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sst2.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "sst2.md").write_text(table(result), encoding="utf-8")
    click.echo(table(result))


if __name__ == "__main__":
    main()
