"""Proof by taking away: heads and edges ablated beside controls."""
