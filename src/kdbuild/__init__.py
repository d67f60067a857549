"""BERT in, a phone-sized text classifier out."""

__version__ = "0.1.0"
