"""In MediaPipe's virtual environment: classify texts with several models. Needs nothing but MediaPipe.

    python classify.py < {"models": {NAME: PATH}, "texts": {NAME: [...]}, "timed": [...], "rounds": N} > JSON

Prints MediaPipe's version; by model and set of texts each text's scores by label; and by model the milliseconds until the first
answer (median of nine) and a text's median, the models in turn on each of the timed texts.
"""

import importlib.metadata
import json
import statistics
import sys
import time
from typing import Any

# Not installed where types are checked.
from mediapipe.tasks.python.text import TextClassifier  # type: ignore[import-not-found, unused-ignore]


def main(request: dict[str, Any]) -> dict[str, Any]:
    """What the module's text says."""
    cold: dict[str, list[float]] = {name: [] for name in request["models"]}
    for _ in range(9):
        for name, path in request["models"].items():
            start = time.perf_counter()
            classifier = TextClassifier.create_from_model_path(path)
            classifier.classify("a fine film .")
            cold[name].append(time.perf_counter() - start)
            classifier.close()

    classifiers = {name: TextClassifier.create_from_model_path(path) for name, path in request["models"].items()}
    scores: dict[str, dict[str, list[dict[str, float]]]] = {}
    for name, classifier in classifiers.items():
        scores[name] = {
            texts: [
                {
                    category.category_name: category.score
                    for category in classifier.classify(text).classifications[0].categories
                }
                for text in request["texts"][texts]
            ]
            for texts in request["texts"]
        }
    taken: dict[str, list[float]] = {name: [] for name in classifiers}
    for _ in range(request["rounds"]):
        for text in request["timed"]:
            for name, classifier in classifiers.items():
                start = time.perf_counter()
                classifier.classify(text)
                taken[name].append(time.perf_counter() - start)
    for classifier in classifiers.values():
        classifier.close()
    return {
        "version": importlib.metadata.version("mediapipe"),
        "scores": scores,
        "first_answer_ms": {name: 1000 * statistics.median(seconds) for name, seconds in cold.items()},
        "text_ms": {name: 1000 * statistics.median(seconds) for name, seconds in taken.items() if seconds},
    }


if __name__ == "__main__":
    # MediaPipe logs to stdout too: the answer is the last line.
    print(json.dumps(main(json.load(sys.stdin))))
