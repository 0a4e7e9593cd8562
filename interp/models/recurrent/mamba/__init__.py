"""Mamba (Gu & Dao 2023)."""
