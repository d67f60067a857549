"""A run: its folder and its stages."""
