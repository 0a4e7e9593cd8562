"""What was found: frozen results with per-example numbers, saved and loaded without a model.

Every figure is drawn from these alone. An `interval` is at 95 % and names its method.
"""
