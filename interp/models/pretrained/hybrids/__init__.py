"""Hybrids of transformers that are read into this package's own: one table of kinds (`kinds`), one way to read
(`reading`).

A kind says how its config is ours (a `HybridConfig`), which fields of its config it knows, and which tensors of its
checkpoint each of ours is made of. A field that it does not know must have its default, or the model is refused.
"""
