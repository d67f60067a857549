"""How many texts a model reads."""


def check_texts(given: int, read: int) -> None:
    """Check that an engine is given as many texts as its model reads.

    Raises:
        ValueError: it isn't.
    """
    if given != read:
        raise ValueError(f"{given} texts for a model that reads {read}")
