"""Pipelines that can't tag: each a line, found before anything is computed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.trainer.transfer_set.tagging import check_pipeline


def _without_tagger(folder: Path) -> None:
    spacy.blank("en").to_disk(folder)


def _without_configuration(folder: Path) -> None:
    _without_tagger(folder)
    (folder / "config.cfg").unlink()


def _damaged_configuration(folder: Path) -> None:
    _without_tagger(folder)
    (folder / "config.cfg").write_text("[nlp\n")


def _unknown_component(folder: Path) -> None:
    _without_tagger(folder)
    text = (folder / "config.cfg").read_text().replace("pipeline = []", 'pipeline = ["nosuch"]')
    (folder / "config.cfg").write_text(text + '\n[components.nosuch]\nfactory = "nosuch"\n')


def _damaged_tokenizer(folder: Path) -> None:
    _without_tagger(folder)
    (folder / "tokenizer").write_bytes(b"\xc1")


def _empty(folder: Path) -> None:
    folder.mkdir()


def _a_file(folder: Path) -> None:
    folder.write_text(json.dumps({}))


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no tagger": (_without_tagger, "has no tagger. Use a pipeline that tags parts of speech."),
    "no configuration": (_without_configuration, "can't be loaded ("),
    "damaged configuration": (_damaged_configuration, "can't be loaded ("),
    "unknown component": (_unknown_component, "can't be loaded ("),
    "damaged tokenizer": (_damaged_tokenizer, "can't be loaded ("),
    "empty folder": (_empty, "can't be loaded ("),
    "file": (_a_file, "can't be loaded ("),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_pipelines(kind: str, tmp_path: Path) -> None:
    make, message = BROKEN[kind]
    make(tmp_path / "pipeline")
    with pytest.raises(BadInputError) as caught:
        check_pipeline(str(tmp_path / "pipeline"))
    assert str(caught.value).startswith(f"--spacy-model {tmp_path / 'pipeline'}: {message}")
    assert len(str(caught.value).splitlines()) == 1


def test_a_pipeline_that_is_not_installed() -> None:
    with pytest.raises(
        MissingExtraError,
        match=r"^--spacy-model nosuch: not an .* pipeline\. Do without with --p-pos 0, or .* download nosuch$",
    ):
        check_pipeline("nosuch")
