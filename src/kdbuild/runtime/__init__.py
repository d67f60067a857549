"""From an artefact folder to answers, with the standard library alone; other engines than the native one bring numpy.

>>> from kdbuild.runtime import Classifier
>>> classify = Classifier.load("artefact")
>>> classify("a warm , funny film").label
'positive'
"""

from typing import TYPE_CHECKING

from kdbuild.lazy import lazy_names

if TYPE_CHECKING:
    from kdbuild.runtime.classifier import Classifier, Explanation, Prediction

__all__ = ["Classifier", "Explanation", "Prediction"]

__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "kdbuild.runtime.classifier"))
