"""Students that no file format can hold, told by their shape."""


def torch_only(layers: int, pooling: str, *, pairs: bool) -> str | None:
    """Say why a student of this shape can be used in torch alone, with the way out; None if a file can hold it.

    Args:
        layers: number of LSTM layers.
        pooling: how the encoder's states become one vector.
        pairs: whether it reads two texts.
    """
    if layers != 1:
        return f"with --layers {layers}. Distil one with --layers 1, or use this one in torch"
    if pooling not in ("last", "max"):
        return f"with --pooling {pooling}. Distil one with --pooling last, or use this one in torch"
    if pairs:
        return "of pairs (--pair-column). Use it in torch"
    return None
