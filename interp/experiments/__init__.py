"""Questions that are asked of many models: families, grids, claims."""
