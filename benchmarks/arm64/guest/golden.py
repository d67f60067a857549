"""In the emulated system: replay an artefact's golden texts. Prints JSON, by model file.

python golden.py ARTEFACT
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from kdbuild.errors import KdbuildError
from kdbuild.export.golden import replay
from kdbuild.runtime.artefact import GOLDEN, MODEL_FILES, Artefact
from kdbuild.runtime.classifier import Classifier
from kdbuild.runtime.engines.registry import SUFFIXES


def main(folder: Path) -> None:
    """Replay on each model file that LiteRT and ONNX Runtime run."""
    artefact = Artefact.open(folder)
    content = artefact.read(GOLDEN)
    results = {}
    engines = {suffix: engine for engine, suffix in SUFFIXES.items() if engine != "torchscript"}
    for name in MODEL_FILES:
        engine = engines.get(Path(name).suffix)
        if engine is None or name not in artefact.manifest.files:
            continue
        with Classifier.load(folder, engine=engine, precision="int8" if "int8" in name else "fp32") as classify:
            found = replay(
                content,
                classify.encode,
                name,
                classify.engine,
                classify.labels,
                thresholds=classify.manifest.thresholds,
                temperature=classify.manifest.temperature,
            )
            results[name] = {
                "engine": f"{classify.engine.name} {classify.engine.version}",
                **asdict(found),
                "passed": found.passed,
            }
    print(json.dumps(results))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KdbuildError as error:
        sys.exit(f"Error: {error}")
