"""What runs a model file."""
