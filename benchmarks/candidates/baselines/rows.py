"""The rows that the baselines are trained on."""

from kdbuild.trainer.data.load import load_data
from kdbuild.trainer.data.sources import open_source
from kdbuild.trainer.data.split import Data
from kdbuild.trainer.options import DataOptions


def read_data(data: str, labels: list[str]) -> Data:
    """Train and dev of a folder, tokenised as for the student, with the classes in this order.

    Raises:
        BadInputError: the folder has none, or other labels.
    """
    return load_data(open_source(data), DataOptions(), labels)
