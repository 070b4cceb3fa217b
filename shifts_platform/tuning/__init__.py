"""Choosing clustering parameters: sweeps over them, and plots of the results."""
