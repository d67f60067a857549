"""Which of an artefact's model files to ship."""

from collections.abc import Sequence

from kdbuild.measure.benchmark.report import ContenderResult, Recommendation

TOLERANCE = 0.01
"""Accuracy or agreement, 0 to 1, that a file may lack and still count as good as the best."""
SAME_SIZE = 1.05
"""Files up to so many times the smallest count as equally small."""


def recommend(results: Sequence[ContenderResult]) -> Recommendation | None:
    """Choose among the files that answer as well as the best the smallest with its engine; among equals, the fastest.

    Size comes before speed because a download is felt by every user of an app, and a fraction of a millisecond by none. An
    app ships the engine, too, which is as large here as it is installed, and smaller on a phone in about the same order. A
    point of accuracy is less than a few hundred texts can tell; without labels, answers are compared with those of the
    artefact's first fp32 file instead.

    Args:
        results: those of model files that could be measured are considered.

    Returns:
        None where there is none.
    """
    files = [result for result in results if result.file is not None and result.status == "ok"]
    if not files:
        return None
    measured = [result.accuracy for result in files if result.accuracy is not None]
    if measured:
        good = [file for file in files if file.accuracy is not None and file.accuracy >= max(measured) - TOLERANCE]
        rule = f"within {100 * TOLERANCE:g} point of the best accuracy"
    elif any(file.agreement is not None for file in files):
        good = [file for file in files if file.agreement is not None and file.agreement >= 1 - TOLERANCE]
        rule = f"that answer at least {1 - TOLERANCE:.0%} of the texts as the fp32 file does"
    else:
        good = files
        rule = "that run here (no fp32 file to compare answers with)"
    smallest = min(_size(file) for file in good)
    small = [file for file in good if _size(file) <= SAME_SIZE * smallest]
    best = min(small, key=_milliseconds)
    reason = (
        f"of the files {rule}, the smallest with its engine; of those as small within {SAME_SIZE - 1:.0%}, the fastest"
    )
    return Recommendation(best.name, str(best.file), reason)


def _size(result: ContenderResult) -> int:
    return (result.size_bytes or 0) + (result.engine_bytes or 0)


def _milliseconds(result: ContenderResult) -> float:
    return result.latency.shared_median_ms if result.latency else float("inf")
