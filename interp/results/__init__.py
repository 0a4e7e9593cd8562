"""What was found: frozen results with per-example numbers, saved and loaded without a model.

Every figure is drawn from these alone. An `interval` is a pair (low, high) at 95 %.
"""
