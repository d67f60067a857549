"""The transformers that students are compared with."""
