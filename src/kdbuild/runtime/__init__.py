"""From an artefact folder to answers: numpy and one inference engine."""
