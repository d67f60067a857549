"""BERT in, a phone-sized text classifier out."""

from kdbuild.version import __version__

__all__ = ["__version__"]
