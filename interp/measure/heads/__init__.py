"""How heads are scored: what they attend to, what they copy, which heads feed them, and the n of the whole model."""
