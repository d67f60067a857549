"""What wraps an artefact for a platform."""
