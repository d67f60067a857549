"""The texts that the teacher labels and the student learns from."""
