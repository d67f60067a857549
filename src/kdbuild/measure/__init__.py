"""Latency, size and memory of any classifier."""
