"""Teachers as they lie in a folder or on the hub, loaded: whatever is wrong with one is one line."""

import json
from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.hub import hub_problem

Loaded = TypeVar("Loaded")
_POINTER = b"version https://git-lfs.github.com/spec/"
_SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "spm.model", "tokenizer.model")


def load_config(name: str) -> PretrainedConfig:
    """Load the configuration of a model by hub name or folder.

    Raises:
        BadInputError: there is none, or it can't be fetched.
    """
    folder = Path(name)
    if folder.is_file():
        raise BadInputError(f"--teacher {name}: a file. Name the folder made by save_pretrained.")
    if folder.is_dir() and not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise BadInputError(
                f"--teacher {name}: holds an adapter (PEFT) of {_base_of(folder)}, not a model. Merge them and name the "
                "result: model.merge_and_unload().save_pretrained(FOLDER), and the tokenizer's save_pretrained."
            )
        raise BadInputError(f"--teacher {name}: the folder has no config.json. Name a folder made by save_pretrained.")
    is_path = folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1
    # Names of the hub have one slash: OWNER/NAME.
    if not folder.is_dir() and (is_path or ("/" in name and Path(name.partition("/")[0]).is_dir())):
        raise BadInputError(f"--teacher {name}: no such folder. Check the path.")
    if not folder.is_dir() and (problem := hub_problem(name, "model")):
        raise BadInputError(
            f"--teacher {name}: can't be loaded ({problem}). Name a local folder, or check the name and the network."
        )
    return _load(
        name, lambda: AutoConfig.from_pretrained(name), "Name a local folder, or check the name and the network"
    )


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer; one that has no token for padding, as of GPT-2 and Llama, gets another special one of its own.

    Raises:
        BadInputError: it can't be loaded.
    """
    folder = Path(name)
    has_library = find_spec("sentencepiece") is not None
    if not has_library and not (folder / "tokenizer.json").is_file():
        for file in _SENTENCEPIECE:
            if (folder / file).is_file():
                raise BadInputError(
                    f"--teacher {name}: its tokenizer is {file} alone, which SentencePiece reads. "
                    "Install it with: pip install sentencepiece protobuf"
                )
    tokenizer = _load(name, lambda: AutoTokenizer.from_pretrained(name), "Fetch or save its tokenizer again")
    # Where its files are missing, some are made up of the special tokens alone.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise BadInputError(f"--teacher {name}: has no tokenizer. Save the tokenizer into the model's folder.")
    if tokenizer.pad_token_id is None:
        # Padding is masked, so which token it is matters only to models that look for the last one that isn't padding:
        # it mustn't be one of a text. Where there is none but those, none is named, or it would be cut out of words.
        tokenizer.pad_token = (
            tokenizer.eos_token or tokenizer.unk_token or next(iter(tokenizer.all_special_tokens), None)
        )
    return tokenizer


def load_model(
    kind: Any, name: str, tokenizer: PreTrainedTokenizerBase, *, whole: bool = False, **arguments: object
) -> PreTrainedModel:
    """Load a model, and tell its tokenizer how many word pieces it reads, which not every tokenizer knows.

    Args:
        kind: the ``Auto`` class.
        name: its hub name or folder.
        tokenizer: its own.
        whole: whether it is to be used as it is; else its classifier may be missing, or that of another task, and is then
            drawn anew.
        arguments: what ``from_pretrained`` takes besides.

    Raises:
        BadInputError: it can't be loaded, weights that aren't the classifier's are missing or of another shape than the
            configuration has, or some aren't finite.
    """
    arguments |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # those are named below
    loaded: tuple[PreTrainedModel, dict[str, Any]] = _load(
        name, lambda: kind.from_pretrained(name, **arguments), "Fetch or save it again"
    )
    model, found = loaded
    _check_whole(name, model, set(found["missing_keys"]), found["mismatched_keys"], whole=whole)
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions(model))
    return model


def _check_whole(
    name: str,
    model: PreTrainedModel,
    missing: set[str],
    mismatched: Collection[tuple[str, Sequence[int], Sequence[int]]],
    *,
    whole: bool,
) -> None:
    """Check that weights that weren't there weren't drawn at random, and that all are numbers.

    Raises:
        BadInputError: they were, or one isn't finite.
    """
    # A model without a classifier is itself its base, and its keys have no prefix.
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."

    def is_needed(key: str) -> bool:
        return whole or (key.startswith(prefix) and "pooler" not in key)

    of_other_shape = sorted(entry for entry in mismatched if is_needed(entry[0]))
    if of_other_shape:
        key, there, wanted = of_other_shape[0]
        more = f"; {len(of_other_shape) - 1} more differ, too" if len(of_other_shape) > 1 else ""
        raise BadInputError(
            f"--teacher {name}: the weights {key} have the shape {list(there)} in its file, and {list(wanted)} by its "
            f"config.json{more}. Save the model again, with the configuration that belongs to it."
        )
    lacking = sorted(filter(is_needed, missing))
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise BadInputError(
            f"--teacher {name}: its file lacks the weights {', '.join(lacking[:3])}{more}. Save the whole model again."
        )
    wrong = next((key for key, value in model.named_parameters() if not torch.isfinite(value).all()), None)
    if wrong and (whole or wrong not in missing | {key for key, *_ in mismatched}):
        raise BadInputError(f"--teacher {name}: the weights {wrong} aren't all finite. Use another teacher.")


def positions(model: PreTrainedModel) -> int:
    """Return the number of word pieces that a model has positions for; very many where it counts them otherwise."""
    limits = []
    stated = getattr(model.config, "max_position_embeddings", None)
    if isinstance(stated, int) and stated > 0:
        limits.append(stated)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa and its kind count from the number after that of padding.
            limits.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    return min(limits, default=1 << 30)


def _base_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "adapter_config.json").read_bytes())["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another model"


def _load(name: str, load: Callable[[], Loaded], way_out: str) -> Loaded:
    """Have something loaded; whatever goes wrong is a matter of the files.

    Raises:
        BadInputError: it can't be loaded.
    """
    try:
        return load()
    # The readers of weights and tokenizers are written in other languages, whose errors share no base class.
    except Exception as error:
        if pointer := _pointer(Path(name)):
            raise BadInputError(
                f"--teacher {name}: {pointer} is a pointer of Git LFS, not the file. Fetch it with: git lfs pull"
            ) from error
        if _is_quantised(Path(name)):
            way_out = "Its weights are quantised, which needs a library of their own: name the model that isn't"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0].rstrip(".:") if lines else type(error).__name__
        raise BadInputError(f"--teacher {name}: can't be loaded ({reason}). {way_out}.") from error


def _pointer(folder: Path) -> str | None:
    """Return the name of a file that Git LFS has only left a pointer of."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_file() and path.stat().st_size < 1024 and path.read_bytes().startswith(_POINTER):
            return path.name
    return None


def _is_quantised(folder: Path) -> bool:
    try:
        return "quantization_config" in json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, TypeError):
        return False
