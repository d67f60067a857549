"""The student and how it is distilled."""
