"""Scripts that run inside the emulated system, with its own Python."""
