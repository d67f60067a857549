"""Symmetric int8 quantisation of a matrix, one scale a row."""

import numpy as np
import numpy.typing as npt

# -128 stays unused, as the specification asks of weights (https://ai.google.dev/edge/litert/models/quantization_spec):
# kernels may then negate a weight, or add two products in 16 bits.
LARGEST = 127
# Rows smaller than this are zero to any student; dividing a bias by a smaller scale could overflow.
SMALLEST_SCALE = 1e-20


def quantize_rows(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round each row to 255 even steps that reach its largest absolute value.

    Args:
        matrix: ``[rows, columns]``, finite.

    Returns:
        The integers, ``[rows, columns]`` from -127 to 127, and the scales, ``[rows]``, all positive:
        ``integers * scales[:, None]`` approximates the matrix. A row of zeros gets scale 1.
    """
    scales = (np.abs(matrix).max(axis=1, initial=0.0) / LARGEST).astype(np.float32)
    scales[scales < SMALLEST_SCALE] = 1.0
    # A scale that was rounded down would take the row's largest value one step too far.
    steps = np.clip(np.rint(matrix / scales[:, None]), -LARGEST, LARGEST)
    return steps.astype(np.int8), scales


def worst_error(
    matrix: npt.NDArray[np.float32], integers: npt.NDArray[np.int8], scales: npt.NDArray[np.float32]
) -> float:
    """Largest absolute difference made by quantisation, in the matrix's unit; about half of the largest scale."""
    return float(np.abs(matrix - integers * scales[:, None]).max(initial=0.0))
