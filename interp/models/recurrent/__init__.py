"""Models with a state: one folder for each family."""
