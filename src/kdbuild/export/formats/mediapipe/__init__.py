"""Files for MediaPipe Tasks."""
