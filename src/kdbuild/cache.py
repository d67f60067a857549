"""Where what was downloaded or computed once is kept, for every project of the user."""

import os
from pathlib import Path


def default_cache() -> Path:
    """The folder that it is kept in: ``$XDG_CACHE_HOME/kdbuild``, else ``~/.cache/kdbuild``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kdbuild"
