"""Language models asked in words: what they predict and write, and which heads do it."""
