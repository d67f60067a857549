"""The file formats."""
