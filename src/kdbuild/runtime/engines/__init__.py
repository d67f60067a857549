"""Inference engines: token ids in, logits out; one module an engine."""
