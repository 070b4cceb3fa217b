"""Makings: the shifts of a region after a week, computed from its trips of the last weeks."""
