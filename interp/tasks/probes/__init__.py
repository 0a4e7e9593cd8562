"""Strings that are made to measure: planted repeats, matches, and what an ideal copier scores on them."""
