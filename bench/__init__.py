"""Measurements side by side: each module compares one part of the product with other ways to do the same."""
