"""The parts of a transformer: blocks, attention, masks, positions, norms."""
