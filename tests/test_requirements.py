"""Versions and requirements, as far as our own package metadata uses their notation, and the commands made of them."""

import importlib.metadata
from email.message import Message

import pytest

from kdbuild.errors import MissingExtraError, require
from kdbuild.requirements import Requirement, advice, install_command, own_requirements, remedy, satisfies

METADATA = """\
numpy>=1.26
nosuch-engine<3,>=2.0; extra == "run"
kdbuild[run]; extra == "write"
numpy>=1.0; extra == "write"
nosuch-writer; extra == "write"
nosuch-pin==1.2; extra == "write"
ancient>=1; python_version < "3.4" and extra == "write"
click>=8; extra == "there"
""".splitlines()


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that kdbuild asks for this."""
    metadata = Message()
    for line in METADATA:
        metadata["Requires-Dist"] = line
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: metadata)


@pytest.mark.parametrize(
    ("version", "wanted", "answer"),
    [
        ("1.26", ">=1.26", True),
        ("2.15.0+cu132", ">=2.6", True),
        ("2.5.1", ">=2.6", False),
        ("3.0.0rc1", ">=3", True),
        ("1.9", ">=1.10", False),
        ("2.0.0", "<2", False),
        ("1.26.4", "<2", True),
        ("2.14.0", "==2.14", True),
        ("2.14.1", "==2.14.0", False),
        ("2.1", "<3,>=2", True),
        ("3.1", "<3,>=2", False),
        ("0.1", "", True),
    ],
)
def test_versions(version: str, wanted: str, answer: bool) -> None:
    assert satisfies(version, wanted) == answer


def test_every_requirement_of_ours_is_understood() -> None:
    assert len(own_requirements()) > 30
    for line in importlib.metadata.requires("kdbuild") or []:
        wanted = line.partition(";")[0]
        assert satisfies("9999", Requirement.parse(line).wanted) == ("==" not in wanted and "<" not in wanted), line


def test_packages_that_are_imported_by_another_name() -> None:
    names = ("scikit-learn", "fasttext-community", "ai-edge-litert", "torch")
    modules = [Requirement.parse(f"{name}>=1").module for name in names]
    assert modules == ["sklearn", "fasttext", "ai_edge_litert", "torch"]


@pytest.mark.usefixtures("packaged")
def test_message_names_what_is_missing() -> None:
    with pytest.raises(MissingExtraError) as raised:
        require("nosuch_writer.graph", "write")
    assert str(raised.value) == (
        "nosuch_writer.graph can't be imported (No module named 'nosuch_writer'): this command needs it. Install what is "
        "missing of kdbuild's extra 'write': pip install 'nosuch-engine<3,>=2.0' nosuch-writer nosuch-pin==1.2"
    )


@pytest.mark.usefixtures("packaged")
def test_what_is_there_and_fails_is_installed_again() -> None:
    assert advice("there", "click.core") == "Install it again: pip install --force-reinstall 'click>=8'"
    assert remedy("there") == "pip install --force-reinstall 'click>=8'"
    # A dependency of what the extra asks for.
    assert remedy("there", "colours.names") == "pip install --force-reinstall colours"


def test_where_kdbuild_is_not_installed_it_is_said_how(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Message:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", missing)
    assert advice("run") == "Install kdbuild with its extra 'run', in its checkout: pip install '.[run]'"
    assert install_command() == "pip install ."
