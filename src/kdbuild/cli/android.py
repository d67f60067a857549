"""``kdbuild android``."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdbuild.cli.choices import RegistryChoice
from kdbuild.errors import BadInputError

if TYPE_CHECKING:
    from kdbuild.android.app import App
    from kdbuild.android.signing import Key


def _engines() -> list[str]:
    from kdbuild.android.app import ENGINES

    return [*ENGINES]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--out",
    default="app.apk",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="The APK, replaced whole.",
)
@click.option(
    "--application-id",
    default="dev.kdbuild.app",
    show_default=True,
    metavar="ID",
    help="Apps with the same one replace each other.",
)
@click.option("--name", default="", help="That people see below the icon.  [default: kdbuild]")
@click.option(
    "--abi",
    "abis",
    default="arm64-v8a",
    show_default=True,
    metavar="NAMES",
    help="Processors, separated by commas: arm64-v8a (phones), armeabi-v7a (old phones), x86_64 (emulators), with TensorFlow "
    "Lite also x86.",
)
@click.option(
    "--engine",
    type=RegistryChoice(_engines),
    default="native",
    show_default=True,
    help="What runs the model: kdbuild's own engine (0.1 MB), or TensorFlow Lite (3.4 MB, of another alignment than Google "
    "Play asks for).",
)
@click.option(
    "--keystore",
    type=click.Path(path_type=Path, readable=False),
    help="Key store to sign with.  [default: a debug key, made once]",
)
@click.option("--key-alias", metavar="ALIAS", help="Of the key in the key store.")
@click.option(
    "--store-password-env",
    "variable",
    metavar="VARIABLE",
    help="Environment variable that holds the password of the key store and of the key.",
)
def android(
    folder: Path,
    out: Path,
    application_id: str,
    name: str,
    abis: str,
    engine: str,
    keystore: Path | None,
    key_alias: str | None,
    variable: str | None,
) -> None:
    r"""Build an Android app around an artefact FOLDER.

    The app is a signed APK that classifies what one types or shares to it. Neither Gradle nor the Android SDK is needed, but
    a JDK, 11 or newer. The first call downloads 240 MB, each file checked by its SHA-256. The app asks for no permission
    and works offline.

    \b
    Examples:
      kdbuild android artefact --out app.apk
      kdbuild android artefact --abi arm64-v8a,x86_64 --application-id com.example.reviews --name Reviews
      kdbuild android artefact --keystore release.p12 --key-alias upload --store-password-env STORE_PASSWORD
    """
    from kdbuild.android.app import AppOptions, build_app

    options = AppOptions(
        application_id=application_id,
        name=name,
        abis=tuple(abi.strip() for abi in abis.split(",")),
        engine=engine,
        key=_key(keystore, key_alias, variable),
    )
    _print(build_app(folder, out, options))


def _key(keystore: Path | None, alias: str | None, variable: str | None) -> "Key | None":
    """The key that the options name; None where they name none.

    Raises:
        BadInputError: one of them is missing, or what it names is.
    """
    import os

    from kdbuild.android.signing import Key

    given = {"--keystore": keystore, "--key-alias": alias, "--store-password-env": variable}
    missing = [option for option, value in given.items() if not value]
    if len(missing) == len(given):
        return None
    if keystore is None or not alias or not variable:
        raise BadInputError(f"{missing[0]}: is missing. A key needs all three: {', '.join(given)}.")
    if not keystore.is_file():
        raise BadInputError(f"--keystore {keystore}: no such file. Make one with keytool.")
    password = os.environ.get(variable)
    if not password:
        raise BadInputError(f"--store-password-env {variable}: is not set. Put the password into this variable.")
    return Key(keystore, alias, password)


def _print(app: "App") -> None:
    from kdbuild.android.archive import PAGE
    from kdbuild.android.resources import fact

    if app.model == "model_fp32.tflite":
        click.echo("model_fp32.tflite: there is no model_int8.tflite, which is a quarter of it and faster.")
    click.echo(f"{app.apk}  {app.bytes / 1e6:.2f} MB")
    for part, size in app.sizes.items():
        click.echo(f"  {part:<20}{size / 1e6:>8.2f} MB")
    schemes = " and ".join(app.signature.schemes)
    click.echo(f"signature    {schemes} hold, certificate {app.signature.certificate[:16]}…")
    package, version = fact(app.badging, "package", "name"), fact(app.badging, "package", "versionName")
    oldest, target = fact(app.badging, "minSdkVersion"), fact(app.badging, "targetSdkVersion")
    label = fact(app.badging, "application-label")
    permissions = sum(line.startswith("uses-permission") for line in app.badging)
    click.echo(
        f"badging      {package} {version} '{label}', API {oldest} and newer, target {target}, {permissions} permissions"
    )
    click.echo(f"alignment    native libraries and model at multiples of {PAGE:,} bytes, not compressed")
    small = [f"{abi} {pages:,}" for abi, pages in app.pages.items() if pages < PAGE]
    if small:
        click.echo(
            "Warning: the segments of TensorFlow Lite's library are aligned to fewer than "
            f"{PAGE:,} bytes ({', '.join(small)}). Systems with 16 KB pages refuse it, or run it in a "
            "compatibility mode, and Google Play refuses it: publish one with --engine native.",
            err=True,
        )
    if app.debug:
        click.echo(
            "Warning: signed with a debug key, for your own devices only. To publish: --keystore FILE.", err=True
        )
    click.echo(f"Next: adb install -r {shlex.quote(str(app.apk))}")
