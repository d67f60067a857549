"""Word vectors of 4 bits a number: rounded in training as the native engine's file stores them."""

import torch

LARGEST = 7
"""Numbers are -7 to 7 steps."""


def rounded_to_4_bits(vectors: torch.Tensor) -> torch.Tensor:
    """Round vectors to 15 even steps, so that the largest number of each is seven of them.

    The step is a bfloat16 number, of which the file has one a vector. Rounding rounded vectors changes nothing. Gradients
    pass as if nothing were rounded (straight-through estimator, Bengio et al. 2013, arXiv 1308.3432).

    Args:
        vectors: ``[..., dimensions]``.
    """
    exact = vectors.detach()
    steps = (exact.abs().amax(dim=-1, keepdim=True) / LARGEST).to(torch.bfloat16).to(exact.dtype)
    steps = torch.where(steps > 0, steps, torch.ones_like(steps))
    rounded = (exact / steps).round().clamp(-LARGEST, LARGEST) * steps
    return vectors - exact + rounded
