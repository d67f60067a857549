"""From an artefact folder to answers: numpy and one inference engine, never a training library.

>>> from kdbuild.runtime import Classifier
>>> classify = Classifier.load("artefact")
>>> classify("a warm , funny film").label
'positive'
"""

from kdbuild.runtime.classifier import Classifier, Explanation, Prediction

__all__ = ["Classifier", "Explanation", "Prediction"]
