"""What teacher and student are both trained with."""
