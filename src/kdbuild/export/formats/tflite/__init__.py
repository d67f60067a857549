"""TFLite files, written directly."""
