"""What people do with a trained student: the commands that a run and its report name at their end."""

import json
import shlex
from pathlib import Path
from typing import Any

from kdbuild.trainer.run.stages import STAGES
from kdbuild.trainer.student.torch_only import torch_only


def export_command(run: Path) -> str:
    """Return the command that exports the student of a run to a phone."""
    return f"kdbuild export {shlex.quote(str(run))} --format tflite --quantize"


def predict_command(artefact: Path, *, pairs: bool) -> str:
    """Return the command that asks an artefact."""
    texts = '"your text" --pair "another text"' if pairs else '"your text"'
    return f"kdbuild predict {shlex.quote(str(artefact))} {texts}"


def reads_pairs(run: Path) -> bool:
    """Whether the student of a run reads pairs of texts; False where there is none."""
    return bool(_config(run).get("pairs"))


def no_export(run: Path) -> str | None:
    """Return a sentence that says why no file format can hold the student of a run; None if one can."""
    pooling = _config(run).get("pooling")
    reason = torch_only(pooling) if isinstance(pooling, str) else None
    return reason and f"No file format can express a student {reason}: kdbuild.trainer.student.bilstm.load_student."


def _config(run: Path) -> dict[str, Any]:
    """The student's configuration; empty where it is damaged or gone, which the export says."""
    try:
        return dict(json.loads((run / STAGES["distill"].output / "config.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
