"""Opening a model file with the engine that runs it."""

from kdbuild.errors import MissingExtraError
from kdbuild.registry import load
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.engines.registry import ENGINES, Engine, find_model_file


def open_engine(artefact: Artefact, file: str, threads: int = 1) -> Engine:
    """Load a model file of an artefact with the engine that runs it.

    The caller has checked the file's digest, unless the engine's row ``checks`` it.

    Args:
        artefact: the folder, with the manifest that says how the file's answers are to be read.
        file: the name of the model file.
        threads: how many threads one call may use.

    Raises:
        BadInputError: the file can't be read.
        MissingExtraError: the engine isn't installed.
    """
    found = find_model_file(file)
    if found is None:
        raise KeyError(file)
    row = ENGINES[found.engine]
    if row.modules and not row.is_installed:  # one without modules says itself what it lacks
        from kdbuild.requirements import advice  # an answer doesn't need it

        raise MissingExtraError(
            f"{file}: needs {' or '.join(row.modules)}, which isn't installed. {advice(row.extra, row.modules[0])}"
        )
    engine: Engine = load(row.opener)(artefact, file, threads)
    return engine


def main_operators(artefact: Artefact, file: str) -> list[str]:
    """The operators of a model file's main graph, in order; empty where its engine can't tell or isn't installed."""
    found = find_model_file(file)
    row = ENGINES[found.engine] if found else None
    if row is None or not row.operators or not row.is_installed:
        return []
    names: list[str] = load(row.operators)(artefact.folder / file)
    return names
