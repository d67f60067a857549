"""In the emulated system: yield the processor around inferences, for the counting plugin to see.

    python count.py MODEL ROUNDS TOKENS...

For each length, after two inferences to warm up, ROUNDS times: yield twice, infer, yield. Between the first two yields lies
what yielding itself takes. Prints JSON: the engine, and the lengths that were run.
"""

import gc
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Inference = Callable[[], object]
Prepare = Callable[[npt.NDArray[np.int32]], Inference]


def open_tflite(path: str) -> tuple[str, int | None, Prepare]:
    """The engine, the only length that the model takes (None: any), and what makes an inference of token ids."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    (details,) = interpreter.get_input_details()
    signature = [int(size) for size in details["shape_signature"]]

    def prepare(ids: npt.NDArray[np.int32]) -> Inference:
        if -1 in signature:
            interpreter.resize_tensor_input(details["index"], [1] * (len(signature) - 1) + [len(ids)])
        interpreter.allocate_tensors()
        interpreter.set_tensor(
            details["index"], ids.reshape(interpreter.get_input_details()[0]["shape"]).astype(details["dtype"])
        )
        inference: Inference = interpreter.invoke
        return inference

    return "ai-edge-litert", None if -1 in signature else signature[-1], prepare


def open_onnx(path: str) -> tuple[str, int | None, Prepare]:
    """The same for an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # it warns that it doesn't know the processor's vendor
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    dtype = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}[wanted.type]

    def prepare(ids: npt.NDArray[np.int32]) -> Inference:
        feed = {wanted.name: ids.reshape([1] * (len(wanted.shape) - 1) + [-1]).astype(dtype)}
        return lambda: session.run(None, feed)

    return "onnxruntime", wanted.shape[-1] if isinstance(wanted.shape[-1], int) else None, prepare


def main(path: str, rounds: int, lengths: list[int]) -> None:
    """Yield around the inferences."""
    engine, only, prepare = (open_onnx if path.endswith(".onnx") else open_tflite)(path)
    taken = [length for length in lengths if only in (None, length)]
    # A collection in the middle of a round would be counted.
    gc.collect()
    gc.disable()
    for length in taken:
        # Small ids, so that they are in any vocabulary. Instructions don't depend on them.
        infer = prepare((1 + np.arange(length) % 7).astype(np.int32))
        infer()
        infer()
        for _ in range(rounds):
            os.sched_yield()
            os.sched_yield()
            infer()
            os.sched_yield()
    print(json.dumps({"engine": f"{engine} {importlib.metadata.version(engine)}", "lengths": taken, "only": only}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(argument) for argument in sys.argv[3:]])
