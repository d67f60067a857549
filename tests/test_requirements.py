"""Versions and requirements, as far as our own package metadata uses their notation."""

import importlib.metadata

import pytest

from kdbuild.measure.requirements import Requirement, satisfies


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
    for line in importlib.metadata.requires("kdbuild") or []:
        wanted = line.partition(";")[0]
        assert satisfies("9999", Requirement.parse(line).wanted) == ("==" not in wanted and "<" not in wanted), line


def test_packages_that_are_imported_by_another_name() -> None:
    names = ("scikit-learn", "fasttext-community", "ai-edge-litert", "torch")
    modules = [Requirement.parse(f"{name}>=1").module for name in names]
    assert modules == ["sklearn", "fasttext", "ai_edge_litert", "torch"]
