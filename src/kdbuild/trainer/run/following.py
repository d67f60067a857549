"""What people do with a trained student: the commands that a run and its report name at their end."""

import json
import shlex
from pathlib import Path

from kdbuild.trainer.run.stages import STAGES
from kdbuild.trainer.student.torch_only import torch_only


def export_command(run: Path) -> str:
    """Return the command that exports the student of a run to a phone."""
    return f"kdbuild export {shlex.quote(str(run))} --format tflite --quantize"


def no_export(run: Path) -> str | None:
    """Return a sentence that says why no file format can hold the student of a run; None if one can."""
    try:
        config = json.loads((run / STAGES["distill"].output / "config.json").read_bytes())
        reason = torch_only(config["pooling"])
    except (OSError, ValueError, LookupError, TypeError):
        return None  # damaged or gone, which the export says
    return reason and f"No file format can express a student {reason}: kdbuild.trainer.student.bilstm.load_student."
