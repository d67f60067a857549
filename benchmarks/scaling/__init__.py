"""Latency and memory against whatever they could grow with: tokens, words, units, texts, threads, rows."""
