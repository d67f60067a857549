"""Pictures of a run and the panels that they are made of."""
