"""From a teacher and labelled text to a distilled student: what happens on the training machine."""
