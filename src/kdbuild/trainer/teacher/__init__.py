"""The teacher: loaded, fine-tuned, and asked for its logits."""
