"""Run in an environment with litert-torch: a student of ``nn.LSTM``, converted to TFLite in fp32 and dynamic int8.

    python export_litert_torch.py WEIGHTS.npz OUT_FOLDER

Writes ``torch32_*.tflite`` and ``torch64_*.tflite``: the converter unrolls the loop, so that each file reads texts of one
length, 32 or 64 tokens, padded at the end. Prints versions as JSON.
"""

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

# Of that environment: here nobody knows their types.
litert_torch: Any = importlib.import_module("litert_torch")
quantizer: Any = importlib.import_module("ai_edge_quantizer.quantizer")
recipe: Any = importlib.import_module("ai_edge_quantizer.recipe")

LENGTHS = (32, 64)


class Student(nn.Module):
    """The student as the documentation of PyTorch would have it, but for packed sequences, which can't be converted."""

    def __init__(self, weights: dict[str, Any]) -> None:
        super().__init__()
        arrays = {name: torch.from_numpy(value) for name, value in weights.items()}
        words, size = arrays["embedding"].shape
        hidden = arrays["forward_recurrent"].shape[1]
        self.embedding = nn.Embedding(words, size)
        self.embedding.weight.data = arrays["embedding"]
        self.directions = nn.ModuleList()
        for name in ("forward", "backward"):
            lstm = nn.LSTM(size, hidden, batch_first=True)
            lstm.weight_ih_l0.data = arrays[f"{name}_input"]
            lstm.weight_hh_l0.data = arrays[f"{name}_recurrent"]
            lstm.bias_ih_l0.data = arrays[f"{name}_bias"]
            lstm.bias_hh_l0.data = torch.zeros(4 * hidden)
            self.directions.append(lstm)
        self.hidden, self.output = (
            nn.Linear(arrays[name].shape[1], len(arrays[name])) for name in ("hidden", "output")
        )
        for name, layer in (("hidden", self.hidden), ("output", self.output)):
            layer.weight.data, layer.bias.data = arrays[name], arrays[f"{name}_bias"]

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of token ids int32 ``[1, tokens]``, 0 where there are none; padding changes nothing."""
        last = (ids != 0).sum(dim=1) - 1
        # Backwards from the last token, and then the first again and again, which nobody looks at.
        order = (last[:, None] - torch.arange(ids.shape[1])).clamp(min=0)
        texts = (ids, torch.gather(ids, 1, order))
        features = [
            torch.index_select(lstm(self.embedding(text))[0], 1, last)[:, 0]
            for lstm, text in zip(self.directions, texts, strict=True)
        ]
        logits: torch.Tensor = self.output(torch.relu(self.hidden(torch.cat(features, dim=1))))
        return logits


def main(weights_file: str, out: str) -> None:
    """Write the files and print the versions."""
    with np.load(weights_file) as stored:
        student = Student(dict(stored)).eval()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for length in LENGTHS:
        fp32 = folder / f"torch{length}_fp32.tflite"
        litert_torch.convert(student, (torch.ones(1, length, dtype=torch.int32),)).export(str(fp32))
        dynamic = quantizer.Quantizer(str(fp32))
        dynamic.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        int8 = folder / f"torch{length}_int8.tflite"
        int8.unlink(missing_ok=True)
        dynamic.quantize().export_model(str(int8))
    names = ("litert-torch", "torch", "litert-converter", "ai-edge-quantizer")
    print(json.dumps({name: importlib.metadata.version(name) for name in names}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
