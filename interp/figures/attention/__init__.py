"""Attention as a person looks at it: one page on which every head can be seen, and its data."""
