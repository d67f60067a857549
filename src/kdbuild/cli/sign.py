"""``kdbuild sign``."""

from pathlib import Path

import click

from kdbuild.errors import BadInputError


@click.command()
@click.argument("artefact", required=False, type=click.Path(path_type=Path, readable=False))
@click.option("--key", type=click.Path(path_type=Path, readable=False), help="File of the private key.")
@click.option(
    "--serial",
    type=click.IntRange(0, 2**63 - 1),
    help="A number that grows with each model: apps take no smaller one than they have.  [default: seconds since 1970]",
)
@click.option(
    "--new-key",
    type=click.Path(path_type=Path, readable=False),
    help="Make a private key, and beside it the public one that apps hold: .pub in PEM, .der for Java.",
)
def sign(artefact: Path | None, key: Path | None, serial: int | None, new_key: Path | None) -> None:
    r"""Sign the native model of an ARTEFACT folder, or a model file.

    The signature (ECDSA, P-256, SHA-256) takes the last 128 bytes of model_int8.kdb. Whoever has the public key can tell
    that the model is yours and whole: kdbuild verify, and Classifier.load in Python and JavaScript.

    \b
    Examples:
      kdbuild sign --new-key reviews.pem
      kdbuild sign artefact --key reviews.pem
      kdbuild verify artefact --public-key reviews.pem.pub
    """
    from kdbuild.export import sign as signing

    if (artefact is None) == (new_key is None) or (artefact is None) != (key is None):
        raise BadInputError(
            "sign: needs ARTEFACT and --key to sign, or --new-key alone to make a key. Give one of both."
        )
    if new_key is not None:
        public = signing.make_key(new_key)
        click.echo(f"{new_key}  the private key: keep it, and keep it to yourself")
        click.echo(f"{public}  the public key, for apps; {public.with_suffix('.der').name} is the same for Java")
        click.echo(f"Next: kdbuild sign ARTEFACT --key {new_key}")
        return
    assert artefact is not None
    assert key is not None
    found = signing.sign(artefact, key, serial)
    click.echo(f"{artefact}: signed with the key {found.key_id}, serial {found.serial}")
