"""``kdbuild quickstart``."""

import shlex
from pathlib import Path

import click

from kdbuild.errors import require


@click.command()
@click.option(
    "--out",
    default="quickstart",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="Folder for all that it makes.",
)
def quickstart(out: Path) -> None:
    r"""Go from nothing to a classifier in minutes, on real data.

    It fetches 10,605 movie-review snippets rated by people (Hutto & Gilbert 2014), fine-tunes MiniLM on them, distils a
    BiLSTM, exports it as an int8 TFLite file for phones, and compares all of them and BERT-large.

    \b
    Example:
      kdbuild quickstart --out quickstart
    """
    from kdbuild.cli.training_extra import require_training

    require_training("quickstart")
    for module in ("spacy", "ai_edge_litert", "flatbuffers"):
        require(module, "quickstart")
    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.cli.predict import load_classifier
    from kdbuild.quickstart.run import SENTENCES, table
    from kdbuild.quickstart.run import quickstart as run_quickstart

    with quiet_native_log():
        result = run_quickstart(out)
    click.echo("\n" + table(result))
    click.echo(
        "BERT-large has random weights: its latency and size are true, its answers mean nothing. "
        "Sizes of torch models are those of their fp32 parameters.\n"
    )
    classify = load_classifier(result.artefact, None)
    for answer in classify(SENTENCES):
        click.echo(f"{answer.label:<9} {answer.score:.2f}  {answer.text}")
    artefact = shlex.quote(str(result.artefact))
    click.echo(
        f"\nDone in {result.seconds / 60:.1f} minutes. Open {result.page} in a browser to try it. Next:\n"
        f'  kdbuild predict {artefact} "your text"\n'
        f"  kdbuild eval {artefact} {shlex.quote(str(out / 'data' / 'dev.tsv'))}\n"
        f"  kdbuild train YOUR.tsv --out runs/mine --teacher bert-base-uncased\n"
        f"  kdbuild export runs/mine --format tflite --quantize"
    )
