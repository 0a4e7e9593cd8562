"""What everything stands on: refusals, whole files, names of axes, intervals, seeds, provenance."""
