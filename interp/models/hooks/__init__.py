"""What opens a model: hook points, TransformerLens's surface, other tools' names."""
