"""Names of the Hugging Face hub, looked up once: its libraries try a name for half a minute before they give up."""

import os
from pathlib import Path
from typing import Literal

_SECONDS = 5


def hub_problem(name: str, kind: Literal["model", "dataset"]) -> str | None:
    """Return why the hub doesn't give something; None where it does, or where it is in the cache or not to be asked.

    Args:
        name: ``owner/name``, or the name of an old model.
        kind: what it is.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.file_download import repo_folder_name

    cached = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type=kind)
    if cached.is_dir() or constants.HF_HUB_OFFLINE or os.environ.get("HF_DATASETS_OFFLINE"):
        return None
    try:
        HfApi().repo_info(name, repo_type=kind, timeout=_SECONDS)
    # Names that can't be, answers of the hub and errors of the network have no base class of their own.
    except Exception as error:
        return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return None
