"""Which processor the models run on, and in which number format they compute."""

import os

import torch

from kdbuild.errors import BadInputError


def pick_device(name: str) -> torch.device:
    """Return what ``--device`` means here; of several GPUs, that of this process.

    Raises:
        BadInputError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    elif name == "cuda" and not torch.cuda.is_available():
        raise BadInputError(
            "--device cuda: torch finds no CUDA device. Use --device cpu, or install a CUDA build of torch."
        )
    elif name == "mps" and not torch.backends.mps.is_available():
        raise BadInputError("--device mps: torch finds no Apple GPU. Use --device cpu.")
    if name == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(name)


def has_bf16(device: torch.device) -> bool:
    """Tell whether the device computes in bfloat16 (and doesn't merely emulate it)."""
    match device.type:
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case "cpu":
            return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.backends.mkldnn.is_available()
        case _:
            return False


def pick_bf16(dtype: str, device: torch.device, option: str) -> bool:
    """Tell whether a number format means bfloat16 on this device.

    Args:
        dtype: ``auto``, ``bf16`` or ``fp32``.
        device: where the model runs.
        option: the command-line option that set it, for the error message.

    Raises:
        BadInputError: it was asked for and the device lacks it.
    """
    if dtype == "bf16" and not has_bf16(device):
        raise BadInputError(f"{option} bf16: {device.type} has no bfloat16 arithmetic here. Use auto or fp32.")
    return dtype == "bf16" or (dtype == "auto" and has_bf16(device))
