"""In the emulated system: replay an artefact's golden texts. Prints JSON, by model file.

python golden.py ARTEFACT
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from kdbuild.errors import KdbuildError
from kdbuild.runtime.artefact import GOLDEN, Artefact
from kdbuild.runtime.classifier import Classifier
from kdbuild.runtime.engines.registry import ENGINES
from kdbuild.runtime.golden import replay


def main(folder: Path) -> None:
    """Replay on each model file whose engine is installed and needs no naming."""
    artefact = Artefact.open(folder)
    content = artefact.read(GOLDEN)
    results = {}
    for file in artefact.manifest.models:
        row, name = ENGINES[file.engine], file.name
        if row.use != "auto" or not row.is_installed:
            continue
        with Classifier.load(folder, engine=file.engine, precision=file.precision) as classify:
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
