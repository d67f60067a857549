"""Which processor the models run on, and in which number format they compute."""

import os
from collections.abc import Callable

import torch

from kdbuild.console import say
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


def failure(compute: Callable[[], torch.Tensor], device: torch.device) -> str | None:
    """Try a computation; return why it fails or that its result isn't finite, None if it is well.

    Random numbers that come later are the same as without it.
    """
    numbered = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(numbered):
        try:
            result = compute()
        # What an architecture can't do comes as any error: RuntimeError, ValueError, TypeError, IndexError, ….
        except Exception as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return lines[0].rstrip(".") if lines else type(error).__name__
    return None if bool(torch.isfinite(result).all()) else "its results aren't finite"


def settle_bf16(
    dtype: str, device: torch.device, option: str, compute: Callable[[], torch.Tensor], model: torch.nn.Module
) -> bool:
    """Tell whether a model computes in bfloat16: what was asked for, tried on one batch.

    Args:
        dtype: ``auto``, ``bf16`` or ``fp32``.
        device: where the model runs.
        option: the command-line option that set it, for messages.
        compute: computes a batch in bfloat16.
        model: the model, for messages.

    Raises:
        BadInputError: bfloat16 was asked for, and the device or the architecture lacks it.
    """
    if not pick_bf16(dtype, device, option):
        return False
    reason = failure(compute, device)
    if reason is None:
        return True
    name = type(model).__name__
    if dtype == "bf16":
        raise BadInputError(f"{option} bf16: {name} can't compute in it ({reason}). Use auto or fp32.")
    say(f"{option} auto: {name} can't compute in bf16 ({reason}), so it does in fp32")
    return False
