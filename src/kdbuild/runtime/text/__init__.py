"""Text to tokens and ids."""
