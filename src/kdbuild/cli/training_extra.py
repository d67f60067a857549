"""What the commands that train have in common: their extra, and quiet libraries."""

from kdbuild.errors import require


def require_training() -> None:
    """Make sure the training libraries are there, and keep them from talking over our progress.

    Raises:
        MissingExtraError: one isn't installed.
    """
    for module in ("torch", "transformers", "datasets", "accelerate", "matplotlib", "rich"):
        require(module, "train")
    import datasets
    import huggingface_hub
    import transformers

    huggingface_hub.logging.set_verbosity_error()

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
