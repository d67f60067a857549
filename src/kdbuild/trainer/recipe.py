"""Recipes: all options of a run as a TOML file, to be read, changed, shared and run again."""

import dataclasses
import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kdbuild.errors import BadInputError, nearest
from kdbuild.trainer.options import TrainOptions

NAMED = ("default", "article", "small")
"""Recipes that come with kdbuild."""
_TOP = ("source", "out")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a recipe file says."""

    sections: dict[str, dict[str, Any]]
    """Options by section, those that are given."""
    source: str | None = None
    """Where the labelled data is."""
    out: str | None = None
    """The run folder."""


def read_recipe(name: str) -> Recipe:
    """Read a recipe by its file, or by its name if it comes with kdbuild.

    Raises:
        BadInputError: there is none, it isn't TOML, or it holds an unknown key.
    """
    if name in NAMED:
        text = files("kdbuild.trainer").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")
    else:
        try:
            text = Path(name).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise BadInputError(
                f"{name}: can't be read as a recipe ({reason}). Name a TOML file, or one of: {', '.join(NAMED)}."
            ) from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{name}: not valid TOML ({error}). Correct it, or start from: kdbuild init") from None
    sections = {key: value for key, value in content.items() if isinstance(value, dict)}
    given = {key: value for key, value in content.items() if key not in sections}
    for key, value in given.items():
        if key not in _TOP:
            known = [*_TOP, *(spec.name for spec in dataclasses.fields(TrainOptions))]
            raise BadInputError(f"{name}: no key '{key}' before the first section. {nearest(key, known)}")
        if not isinstance(value, str):
            raise BadInputError(f"{name}: {key} {value!r} must be a string. Correct the value.")
    return Recipe(sections, given.get("source"), given.get("out"))


def recipe_toml(
    options: TrainOptions, *, source: str | None = None, out: str | None = None, commented: bool = False
) -> str:
    """Write a recipe that says every option, but for values that are meant where an option isn't said.

    Args:
        options: their values.
        source: where the labelled data is.
        out: the run folder.
        commented: say what each option means, and show those that needn't be said as comments.
    """
    lines = [f"{key} = {_value(value)}" for key, value in (("source", source), ("out", out)) if value]
    defaults = TrainOptions()
    for section in dataclasses.fields(TrainOptions):
        group, default = getattr(options, section.name), getattr(defaults, section.name)
        lines += ["", f"[{section.name}]"]
        if commented:
            lines[-1:] = [f"# {(type(group).__doc__ or '').splitlines()[0]}", f"[{section.name}]"]
        hints = get_type_hints(type(group))
        for spec in dataclasses.fields(group):
            value = group.written(spec.name)
            line = f"{spec.name} = {_value(value)}"
            if commented:
                unsaid = group.unsaid().get(spec.name, default.written(spec.name))
                lines += [f"# {describe(spec, hints[spec.name])}", f"# {line}" if value == unsaid else line]
            elif group.is_said(spec):
                lines.append(line)
    return "".join(line + "\n" for line in lines).lstrip("\n")


def describe(spec: "dataclasses.Field[Any]", kind: Any) -> str:
    """Say what an option means, with its choices or its range."""
    if get_origin(kind) is Literal:
        return f"{spec.metadata['help']} ({' | '.join(map(str, get_args(kind)))})"
    low, high = spec.metadata["low"], spec.metadata["high"]
    if high is not None:
        return f"{spec.metadata['help']} ({low:g} to {high:g})"
    return str(spec.metadata["help"])


def _value(value: Any) -> str:
    """Write a TOML value; JSON's strings, but for DEL, are TOML's."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
