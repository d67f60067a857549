"""The native engine's arithmetic in numpy: what each of its paths must equal, bit by bit.

Sums of products are integers. In float32 there are additions, multiplications and divisions alone, each rounded, in one order.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kdbuild.export.formats.native.layout import bias_of, quantized
from kdbuild.export.model import Head, LstmWeights, StudentModel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

_f = np.float32
_STEP = _f(1 / 127)
_TINY = _f(2.0**-60)
_ROUND = _f(1.5 * 2**23)


def reference_logits(student: StudentModel, *texts: Sequence[int]) -> Floats:
    """Logits ``[classes]`` of the token ids of a text, or of two."""
    with np.errstate(all="ignore"):
        return _classify(student.head, [_features(student, np.array(ids)) for ids in texts])


def _tanh_parts(x: Floats) -> tuple[Floats, Floats]:
    """Numerator and denominator of tanh(x)."""
    x = np.minimum(np.maximum(x, _f(-7)), _f(7))
    y = x * x
    p = ((y + _f(579.384888)) * y + _f(31303.1777)) * y + _f(254451.109)
    q = ((_f(36.221489) * y + _f(5361.86328)) * y + _f(116116.797)) * y + _f(254452.203)
    return x * p, q


def _rounded(x: Floats) -> Ints:
    result: Ints = ((x + _ROUND) - _ROUND).astype(np.int32)
    return result


def _product(weights: npt.NDArray[np.int8], x: Ints) -> Floats:
    return (weights.astype(np.int32) @ x).astype(np.float32)


def _direction(weights: LstmWeights, inputs: Ints, input_scales: Floats, step: np.float32) -> Ints:
    """States ``[tokens, hidden]``, in steps of 1/127, in the order in which the tokens are read."""
    inwards, inward_scales = quantized(weights.input)
    recurrent, recurrent_scales = quantized(weights.recurrent)
    bias, hidden = bias_of(weights.bias), recurrent.shape[1]
    cell, state = np.zeros(hidden, np.float32), np.zeros(hidden, np.int32)
    states = []
    for number, (x, scale) in enumerate(zip(inputs, input_scales, strict=True)):
        z = (_product(inwards, x) * (inward_scales * step)) * scale + bias
        if number:
            z = z + _product(recurrent, state) * (recurrent_scales * _STEP)
        i, f, g, o = z.reshape(4, hidden)
        half = _f(0.5)
        i_n, i_d = _tanh_parts(i * half)
        f_n, f_d = _tanh_parts(f * half)
        g_n, g_d = _tanh_parts(g)
        o_n, o_d = _tanh_parts(o * half)
        both = i_d * g_d
        cell = (((f_d + f_n) * cell) * both + ((i_d + i_n) * g_n) * f_d) / ((f_d + f_d) * both)
        cell[np.abs(cell) < _TINY] = 0
        c_n, c_d = _tanh_parts(cell)
        state = _rounded(((o_d + o_n) * c_n) / ((o_d * _f(2 / 127)) * c_d))
        states.append(state)
    return np.array(states)


def _four_bits(rounded: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """What vectors of at most 15 even steps were made of: the largest number of each is seven steps."""
    scales = np.abs(rounded).max(axis=1) / _f(7)
    scales[scales == 0] = 1
    return np.rint(rounded / scales[:, None]).astype(np.int8), scales


def _features(student: StudentModel, ids: npt.NDArray[np.int64]) -> Ints:
    """What the classifier reads of a text, ``[2 * hidden]``."""
    table, scales = (_four_bits if student.encoder.vector_bits == 4 else quantized)(student.encoder.embedding)
    inputs, input_scales, step = table[ids].astype(np.int32), scales[ids], _f(1)
    for layer in student.encoder.layers:
        forward = _direction(layer.forward, inputs, input_scales, step)
        backward = _direction(layer.backward, inputs[::-1], input_scales[::-1], step)
        inputs = np.concatenate([forward, backward[::-1]], axis=1)
        input_scales, step = np.ones(len(ids), np.float32), _STEP
    if student.encoder.pooling == "max":
        return np.asarray(inputs.max(axis=0))
    return np.concatenate([forward[-1], backward[-1]])


def _classify(head: Head, features: Sequence[Ints]) -> Floats:
    matrix, x = head.hidden, features[0]
    if len(features) == 2:
        u, v = features
        product = u * v
        rounded = np.where(product < 0, -((63 - product) // 127), (product + 63) // 127)
        x = np.concatenate([u, v, rounded, (np.abs(u - v) + 1) // 2])
        matrix = matrix.copy()
        matrix[:, matrix.shape[1] // 4 * 3 :] *= 2
    weights, scales = quantized(matrix)
    units = np.maximum(_product(weights, x) * (scales * _STEP) + bias_of(head.hidden_bias), _f(0))
    most = units.max()
    if most < _TINY:
        most = _f(0)
    steps = _f(127) / most if most > 0 else _f(0)
    weights, scales = quantized(head.output)
    product = _product(weights, np.minimum(_rounded(units * steps), 127)) * (scales * _STEP)
    result: Floats = product * most + bias_of(head.output_bias)
    return result
