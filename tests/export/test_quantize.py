import numpy as np
import pytest

from kdbuild.export.quantize import quantize_rows, worst_error


def test_each_row_has_its_own_scale() -> None:
    matrix = np.array([[1.27, -0.634, 0.004], [0, -254, 127.5]], np.float32)
    integers, scales = quantize_rows(matrix)
    assert integers.dtype == np.int8
    assert scales.dtype == np.float32
    assert integers.tolist() == [[127, -63, 0], [0, -127, 64]]
    assert scales.tolist() == pytest.approx([0.01, 2.0])


@pytest.mark.parametrize("value", [0.0, 1e-30, -1e-45])
def test_a_row_of_nothing_becomes_zeros(value: float) -> None:
    integers, scales = quantize_rows(np.array([[value, 0], [1, 0]], np.float32))
    assert integers.tolist() == [[0, 0], [127, 0]]
    assert scales.tolist() == pytest.approx([1, 1 / 127])


def test_a_matrix_without_rows_or_columns_is_kept() -> None:
    for shape in [(0, 3), (2, 0)]:
        integers, scales = quantize_rows(np.zeros(shape, np.float32))
        assert (integers.shape, scales.tolist()) == (shape, [1.0] * shape[0])
        assert worst_error(np.zeros(shape, np.float32), integers, scales) == 0


@pytest.mark.parametrize("seed", range(20))
def test_no_value_is_off_by_more_than_half_a_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.standard_normal((7, 33)) * 10.0 ** rng.uniform(-15, 15, (7, 1))).astype(np.float32)
    integers, scales = quantize_rows(matrix)
    # Every row reaches 127, and -128 is not used.
    assert np.abs(integers.astype(int)).max(axis=1).tolist() == [127] * 7
    errors = np.abs(matrix.astype(np.float64) - integers.astype(np.float64) * scales[:, None].astype(np.float64))
    assert (errors <= 0.5001 * scales[:, None]).all()
    assert worst_error(matrix, integers, scales) == pytest.approx(errors.max(), rel=1e-2)


def test_what_is_already_quantised_is_unchanged() -> None:
    rng = np.random.default_rng(0)
    integers, scales = quantize_rows(rng.standard_normal((5, 9)).astype(np.float32))
    again, same_scales = quantize_rows(integers * scales[:, None])
    assert (again == integers).all()
    assert same_scales == pytest.approx(scales, rel=1e-6)


def test_the_worst_error_is_the_largest_difference() -> None:
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    integers = np.array([[2, 4], [7, 8]], np.int8)
    assert worst_error(matrix, integers, np.array([0.5, 0.5], np.float32)) == 0.5
