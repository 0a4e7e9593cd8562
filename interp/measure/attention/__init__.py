"""Attention as it is measured: single rows, and the patterns of one string."""
