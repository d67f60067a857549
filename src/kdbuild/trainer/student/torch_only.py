"""Students that no file format can hold, told by their shape."""


def torch_only(pooling: str) -> str | None:
    """Say why a student of this shape can be used in torch alone, with the way out; None if a file can hold it.

    Args:
        pooling: how the encoder's states become one vector.
    """
    if pooling not in ("last", "max"):
        return f"with --pooling {pooling}. Distil one with --pooling last, or use this one in torch"
    return None
