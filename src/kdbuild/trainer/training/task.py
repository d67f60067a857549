"""What is learned, in the terms of ``transformers``."""

MULTI_LABEL = "multi_label_classification"
"""The ``problem_type`` of texts with several labels."""


def problem_type(*, multi_label: bool) -> str:
    """Return the ``problem_type`` of a model's configuration."""
    return MULTI_LABEL if multi_label else "single_label_classification"
