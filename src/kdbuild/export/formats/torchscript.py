"""Write a student as a TorchScript file for texts of any length, in fp32 or with int8 weights.

The program, for ``ids`` of shape ``[1, tokens]``::

    rows of the embedding
    input projections of both directions, all tokens
    the two recurrences, side by side: one time step of both directions a turn
    the last states (max pooling: each unit's maximum), or, below another layer, the projections of all of them, and so on
    classifier

The program for pairs takes ``ids`` and ``ids2``, reads both so, and classifies their features together.

The loop is part of the script. At 300/300/400 on one thread it took 0.9 of ``torch.lstm``'s time at 20 tokens in fp32 (0.7
at 8, 1.1 at 32) and in int8 as long as ``torch.quantized_lstm``, which has one range for all words of a text and thus
loses more.

Weights in int8 have one scale a row. The products are torch's dynamic-range ones: int8 weights, activations quantised on
the fly, fp32 results. What loads the file packs the matrices for the kernel that ``torch.backends.quantized.engine``
names: it was tested with fbgemm, x86, onednn and qnnpack, the one for ARM, which all give the same logits to 0.001.

torch is retiring what these files rest on. TorchScript is deprecated since 2.10 in favour of ``torch.export`` and may
break on Python 3.14; the quantised tensors of the int8 file are deprecated since 2.13, and are to be removed.
The files are tested with torch 2.6 and 2.15: who deploys them should pin a release from there to there, and keep the run
folder, from which every other format can be exported. ``torch.ao.quantization``, which is going too, is not used.

LSTM: Hochreiter & Schmidhuber 1997 as in ``torch.nn.LSTM``; no peepholes.
"""

import io
import re
import struct
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kdbuild.export.formats.format import MOST_LAYERS, Content, Format
from kdbuild.export.model import Array, Join, Layer, StudentModel
from kdbuild.export.quantize import LARGEST, quantize_rows
from kdbuild.runtime.engines.registry import Precision
from kdbuild.runtime.engines.torchscript import expected_warnings, fastest_kernels

# Kernels for x86 without VNNI add two products in 16 bits: 2 * 255 * 63 fits, 2 * 255 * 64 nearly, 2 * 255 * 127 doesn't.
# torch's own way out, seven bits for the activations, cost twice as much: on 600 sentences of SST-2's dev set the mean
# |difference to fp32 logits| was 0.011 with seven-bit weights, 0.025 with seven-bit activations (TFLite's int8: 0.013).
_LARGEST = 63
# Where torch wants the data of a tensor to start, and the tag of the field that it fills up with.
_ALIGNMENT = 64
_PADDING_TAG = b"FB"


class TorchScript(Format):
    """TorchScript files, in fp32 or with int8 weights."""

    most_layers = MOST_LAYERS
    reads_pairs = True

    def write(self, content: Content, precision: Precision) -> bytes:
        """See :func:`write_torchscript`."""
        return write_torchscript(content.student, quantize=precision == "int8")


def write_torchscript(weights: StudentModel, *, quantize: bool) -> bytes:
    """Write a student as a TorchScript file.

    ``torch.jit.load`` gives a frozen module that takes ``ids`` (int32 or int64 ``[1, tokens]``, at least one token), of a
    student of pairs ``ids2``, too, and returns the logits (float32 ``[1, classes]``); it needs torch alone. Its attribute
    ``embedding`` has one row for each word of the vocabulary. Nothing is kept between two calls, which may run side by side.
    The same weights always give the same bytes with the same version of torch on the same kind of processor.

    Args:
        weights: the trained student.
        quantize: store matrices in int8 (a quarter of the size) instead of fp32.
    """
    buffer = io.BytesIO()
    with expected_warnings(), fastest_kernels():
        module = _PROGRAMS[weights.join, quantize](weights).eval()
        # The embedding stays an attribute: a reader wants to know its rows.
        torch.jit.save(torch.jit.freeze(torch.jit.script(module), ["embedding"]), buffer)
    return _normalise(buffer.getvalue())


class _Layer(torch.nn.Module, ABC):
    """A layer: the order of the work, and the elementwise part of the recurrence, in fp32.

    Gates are in PyTorch's order: input, forget, cell, output.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.gates = len(layer.forward.bias)
        self.zeros = torch.zeros(2, layer.forward.recurrent.shape[1])

    @abstractmethod
    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        """Input projections of ``[tokens, inputs]``: ``[tokens, 2 * gates]``, those of the forward direction first."""

    @abstractmethod
    def recur(self, hidden: torch.Tensor, projected: torch.Tensor) -> torch.Tensor:
        """The gates ``[2, gates]``: projections of both directions' states ``[2, hidden]``, added to ``projected``."""

    def forward(self, projected: torch.Tensor) -> list[torch.Tensor]:
        """The states of both directions, ``[2, hidden]``, after each turn, of input projections ``[tokens, 2 * gates]``."""
        projected = projected.view(-1, 2, self.gates)
        # The backward direction reads the last token first.
        turns = torch.stack([projected[:, 0], projected[:, 1].flip(0)], 1)
        hidden = self.zeros
        cell = self.zeros
        states: list[torch.Tensor] = []
        for turn in turns.unbind(0):
            input_gate, forget_gate, candidate, output_gate = self.recur(hidden, turn).chunk(4, 1)
            cell = torch.addcmul(forget_gate.sigmoid_() * cell, input_gate.sigmoid_(), candidate.tanh_())
            hidden = output_gate.sigmoid_() * cell.tanh()
            states.append(hidden)
        return states


class _Student(torch.nn.Module, ABC):
    """What both precisions share: from ids to features, and how the features of two texts are joined."""

    def __init__(self, weights: StudentModel, layers: list[_Layer]) -> None:
        super().__init__()
        self.max_pooling = weights.encoder.pooling == "max"
        self.first = layers[0]
        others: Any = torch.nn.ModuleList(layers[1:])  # which says of what only at run time
        self.others = others

    @abstractmethod
    def project(self, ids: torch.Tensor) -> torch.Tensor:
        """The first layer's input projections of tokens ``[tokens]``, ``[tokens, 2 * gates]``."""

    @abstractmethod
    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Logits ``[1, classes]`` of features ``[1, features]``."""

    def encode(self, ids: torch.Tensor) -> torch.Tensor:
        """The features of both directions, ``[1, 2 * hidden]``, of token ids ``[1, tokens]``."""
        states = self.first(self.project(ids.view(-1)))
        for layer in self.others:
            turns = torch.stack(states)
            # The last state of the backward direction belongs to the first token.
            inputs = torch.cat([turns[:, 0], turns[:, 1].flip(0)], 1)
            states = layer(layer.project(inputs))
        features = torch.stack(states).amax(0) if self.max_pooling else states[-1]
        return features.reshape(1, -1)

    def join(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """``[u, v, u * v, |u - v|]``, as in Tang et al. 2019, section 3.1."""
        return torch.cat([first, second, first * second, (first - second).abs()], 1)


class _Fp32Layer(_Layer):
    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.input = torch.from_numpy(np.concatenate([layer.forward.input, layer.backward.input]))
        self.input_bias = torch.from_numpy(np.concatenate([layer.forward.bias, layer.backward.bias]))
        recurrent = np.stack([layer.forward.recurrent, layer.backward.recurrent])
        self.recurrent = torch.from_numpy(recurrent).transpose(1, 2).contiguous()

    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.addmm(self.input_bias, inputs, self.input.t())

    def recur(self, hidden: torch.Tensor, projected: torch.Tensor) -> torch.Tensor:
        # A batched product, as the results of two products would have to be joined.
        return torch.baddbmm(projected.unsqueeze(1), hidden.unsqueeze(1), self.recurrent).squeeze(1)


class _Fp32(_Student):
    def __init__(self, weights: StudentModel) -> None:
        super().__init__(weights, [_Fp32Layer(layer) for layer in weights.encoder.layers])
        self.embedding = torch.from_numpy(weights.encoder.embedding)
        self.hidden = torch.from_numpy(weights.head.hidden)
        self.hidden_bias = torch.from_numpy(weights.head.hidden_bias)
        self.output = torch.from_numpy(weights.head.output)
        self.output_bias = torch.from_numpy(weights.head.output_bias)

    def project(self, ids: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = self.first.project(self.embedding.index_select(0, ids))
        return projected

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        units = torch.addmm(self.hidden_bias, features, self.hidden.t()).relu_()
        return torch.addmm(self.output_bias, units, self.output.t())


class _Int8Layer(_Layer):
    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.input = _packed(np.concatenate([layer.forward.input, layer.backward.input]))
        bias = np.concatenate([layer.forward.bias, layer.backward.bias])
        self.recurrent = _packed(np.concatenate([layer.forward.recurrent, layer.backward.recurrent]), bias)

    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = torch.ops.quantized.linear_dynamic(inputs, self.input)
        return projected

    def recur(self, hidden: torch.Tensor, projected: torch.Tensor) -> torch.Tensor:
        # Both states with both matrices, [2, 2 * gates], of which the forward state's first half and the backward
        # state's second half are wanted. It took 0.75 of the time of two products, whose fixed cost is half of theirs.
        product: torch.Tensor = torch.ops.quantized.linear_dynamic(hidden, self.recurrent)
        return product.as_strided([2, self.gates], [3 * self.gates, 1]).add_(projected)


class _Int8(_Student):
    def __init__(self, weights: StudentModel) -> None:
        super().__init__(weights, [_Int8Layer(layer) for layer in weights.encoder.layers])
        rows, scales = quantize_rows(weights.encoder.embedding)
        self.embedding = torch.from_numpy(rows)
        self.scales = torch.from_numpy(scales).unsqueeze(1)
        self.hidden = _packed(weights.head.hidden, weights.head.hidden_bias)
        self.output = _packed(weights.head.output, weights.head.output_bias)

    def project(self, ids: torch.Tensor) -> torch.Tensor:
        # Rows enter the product as integers and are scaled behind it: activations have one range a call, in which a
        # word with a short vector would otherwise be rounded away beside one with a long vector.
        rows = self.embedding.index_select(0, ids).to(torch.float32)
        projected: torch.Tensor = self.first.project(rows)
        return projected.mul_(self.scales.index_select(0, ids))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        units = torch.ops.quantized.linear_relu_dynamic(features, self.hidden)
        logits: torch.Tensor = torch.ops.quantized.linear_dynamic(units, self.output)
        return logits


class _OneText(_Student):
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits ``[1, classes]`` of token ids ``[1, tokens]``."""
        return self.classify(self.encode(ids))


class _TwoTexts(_Student):
    def forward(self, ids: torch.Tensor, ids2: torch.Tensor) -> torch.Tensor:
        """Logits ``[1, classes]`` of the token ids of both texts, each ``[1, tokens]``."""
        return self.classify(self.join(self.encode(ids), self.encode(ids2)))


class _Fp32OneText(_Fp32, _OneText):
    pass


class _Fp32TwoTexts(_Fp32, _TwoTexts):
    pass


class _Int8OneText(_Int8, _OneText):
    pass


class _Int8TwoTexts(_Int8, _TwoTexts):
    pass


_PROGRAMS: dict[tuple[Join, bool], Callable[[StudentModel], torch.nn.Module]] = {
    ("single", False): _Fp32OneText,
    ("pair", False): _Fp32TwoTexts,
    ("single", True): _Int8OneText,
    ("pair", True): _Int8TwoTexts,
}
"""By how texts are joined, and whether weights are int8."""


def _packed(matrix: Array, bias: Array | None = None) -> Any:
    """``x @ matrix.T + bias`` for ``quantized::linear_dynamic``, the matrix in int8."""
    _, scales = quantize_rows(matrix)
    scales *= LARGEST / _LARGEST
    integers = torch.from_numpy(np.rint(matrix / scales[:, None]).astype(np.int8))
    no_offsets = torch.zeros(len(scales), dtype=torch.int64)
    quantized = torch._make_per_channel_quantized_tensor(integers, torch.from_numpy(scales).double(), no_offsets, 0)
    return torch.ops.quantized.linear_prepack(quantized, None if bias is None else torch.from_numpy(bias))


def _normalise(archive: bytes) -> bytes:
    """Write the archive again without what differs between two exports of the same weights.

    torch numbers the name of a class that is compiled again in the same process, and stores where on this machine each
    line of the program comes from.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            if name.endswith((".debug_pkl", "/serialization_id")):
                continue
            content = old.read(name)
            if name.endswith((".py", "/data.pkl")):
                content = re.sub(rb"\.___torch_mangle_\d+", b"", content)
            record = zipfile.ZipInfo(re.sub(r"/___torch_mangle_\d+", "", name))
            record.create_system = 0
            # Content starts behind 30 bytes, the name and this field, whose own head has 4.
            padding = -(buffer.tell() + 34 + len(record.filename)) % _ALIGNMENT
            record.extra = struct.pack("<2sH", _PADDING_TAG, padding) + bytes(padding)
            new.writestr(record, content)
    return buffer.getvalue()
