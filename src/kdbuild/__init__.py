"""BERT in, a phone-sized text classifier out.

>>> import kdbuild
>>> run = kdbuild.train("reviews.tsv", out="runs/reviews", teacher="bert-base-uncased")
>>> kdbuild.export_run(run, out="artefact")
>>> classify = kdbuild.Classifier.load("artefact")
>>> classify("a warm , funny film").label
'positive'

``import kdbuild`` loads the standard library alone; each name below is imported when it is used.
"""

from typing import TYPE_CHECKING

from kdbuild.lazy import lazy_names
from kdbuild.version import __version__

if TYPE_CHECKING:
    from kdbuild.api import evaluate, export_run, open_run, train
    from kdbuild.runtime.classifier import Classifier

__all__ = ["Classifier", "__version__", "evaluate", "export_run", "open_run", "train"]

__getattr__ = lazy_names(
    __name__,
    {
        "Classifier": "kdbuild.runtime.classifier",
        **dict.fromkeys(("evaluate", "export_run", "open_run", "train"), "kdbuild.api"),
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
