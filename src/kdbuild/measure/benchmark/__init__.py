"""What `kdbuild benchmark` compares and prints."""
