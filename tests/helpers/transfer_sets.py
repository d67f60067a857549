"""Options of transfer sets."""

from typing import Any

from kdbuild.trainer.options import ArticleOptions, AugmentOptions, TrainOptions


def article(rounds: int = 20, **values: Any) -> TrainOptions:
    """The article's scheme alone."""
    return TrainOptions(augment=AugmentOptions(perturb=("article",), rounds=rounds), article=ArticleOptions(**values))
