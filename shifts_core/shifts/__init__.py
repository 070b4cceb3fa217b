"""Shifts: groups of similar trips that stand from week to week, made into departures of a timetable.

`fleet` and `making` need scipy; the other modules need numpy and numba only. docs/shifts.md describes the methods.
"""
