"""From a distilled student to an artefact folder."""
