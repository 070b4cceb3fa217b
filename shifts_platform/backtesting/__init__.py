"""Backtests of shifts as a table, a frame and a plot."""
