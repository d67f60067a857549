"""Labelled text: where it comes from, how it is split, checked and stored."""
