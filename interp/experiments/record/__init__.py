"""How long a string can a small copier copy, what stops it, and which of its parts it takes: arms at equal strings."""
