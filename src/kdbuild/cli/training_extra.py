"""What the commands that use the training libraries have in common: they check for them, and keep them quiet."""

from kdbuild.errors import require

_TRAINING = (
    *("torch", "transformers", "tokenizers", "accelerate", "datasets"),
    *("safetensors", "matplotlib", "filelock", "tensorboard"),
)


def require_training(extra: str = "train") -> None:
    """Make sure that everything is there which a training needs, now and not after hours of it.

    Args:
        extra: which of kdbuild's extras brings it.

    Raises:
        MissingExtraError: a library isn't installed.
    """
    for module in _TRAINING:
        require(module, extra)
    import threading

    import datasets

    from kdbuild.cli.failures import thread_failed

    threading.excepthook = thread_failed
    _quiet_transformers()
    datasets.disable_progress_bars()


def require_students(extra: str) -> None:
    """Make sure that a trained student can be read.

    Args:
        extra: which of kdbuild's extras brings what reads it.

    Raises:
        MissingExtraError: a library isn't installed.
    """
    for module in ("torch", "transformers", "safetensors"):
        require(module, extra)
    _quiet_transformers()


def _quiet_transformers() -> None:
    """Keep the libraries from talking over kdbuild's own progress."""
    import huggingface_hub
    import transformers

    huggingface_hub.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
