"""``python -m kdbuild``."""

from kdbuild.cli import main

main()
