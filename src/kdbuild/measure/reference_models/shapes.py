"""The transformers that a classifier is compared with: their shapes, written out, and the accuracies that are quoted of them.

Nothing is downloaded: a model of the same shape with random weights is as large and as slow as the real one.
"""

from dataclasses import dataclass
from typing import Any, Literal

Architecture = Literal["bert", "distilbert", "mobilebert"]


@dataclass(frozen=True)
class Shape:
    """A transformer without its weights."""

    title: str
    """Its name in tables."""
    architecture: Architecture
    """Which classes of ``transformers`` compute it."""
    settings: dict[str, Any]
    """Arguments of its configuration class."""
    source: str
    """The paper that the shape is taken from."""
    sst2: float | None
    """Accuracy on SST-2 that ``sst2_source`` quotes, 0 to 1; None where none is known to us."""
    sst2_source: str = ""
    slow: bool = False
    """Whether one text takes tens of milliseconds or more on one core."""


def _bert(layers: int, hidden: int, heads: int, intermediate: int) -> dict[str, Any]:
    return {
        "vocab_size": 30522,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "hidden_act": "gelu",
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    }


_DEVLIN = "Devlin et al. 2019, arXiv 1810.04805"
_JIAO = "Jiao et al. 2020, arXiv 1909.10351"
_SANH = "Sanh et al. 2019, arXiv 1910.01108"
_SUN = "Sun et al. 2020, arXiv 2004.02984"
_TURC = "Turc et al. 2019, arXiv 1908.08962"

SHAPES: dict[str, Shape] = {
    "bert-large": Shape("BERT-large", "bert", _bert(24, 1024, 16, 4096), _DEVLIN, 0.949, f"{_DEVLIN}, test", slow=True),
    "bert-base": Shape("BERT-base", "bert", _bert(12, 768, 12, 3072), _DEVLIN, 0.935, f"{_DEVLIN}, test", slow=True),
    "distilbert": Shape(
        "DistilBERT",
        "distilbert",
        {
            "vocab_size": 30522,
            "dim": 768,
            "n_layers": 6,
            "n_heads": 12,
            "hidden_dim": 3072,
            "activation": "gelu",
            "max_position_embeddings": 512,
            "sinusoidal_pos_embds": False,
        },
        _SANH,
        0.913,
        f"{_SANH}, dev",
        slow=True,
    ),
    "mobilebert": Shape(
        "MobileBERT",
        "mobilebert",
        {
            "vocab_size": 30522,
            "hidden_size": 512,
            "num_hidden_layers": 24,
            "num_attention_heads": 4,
            "intermediate_size": 512,
            "hidden_act": "relu",
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
            "embedding_size": 128,
            "trigram_input": True,
            "use_bottleneck": True,
            "intra_bottleneck_size": 128,
            "use_bottleneck_attention": False,
            "key_query_shared_bottleneck": True,
            "num_feedforward_networks": 4,
            "normalization_type": "no_norm",
        },
        _SUN,
        0.928,
        f"{_SUN}, test",
        slow=True,
    ),
    "tinybert-4": Shape("TinyBERT-4", "bert", _bert(4, 312, 12, 1200), _JIAO, 0.926, f"{_JIAO}, test"),
    "bert-tiny": Shape("BERT-tiny", "bert", _bert(2, 128, 2, 512), _TURC, 0.832, "google-research/bert, README, test"),
    # Every second layer of the paper's 12-layer model, as nreimers/MiniLM-L6-H384-uncased has them; no paper measures it.
    "minilm-l6": Shape("MiniLM-L6", "bert", _bert(6, 384, 12, 1536), "Wang et al. 2020, arXiv 2002.10957", None),
}
"""By the name that ``kdbuild benchmark --against`` takes."""
