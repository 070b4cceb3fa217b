"""Shifts: groups of similar trips that stand from week to week, made into departures of a timetable.

`demand` and `matching`, and what stands on them, need scipy; `fleet`, `gtfs` and the other modules need numpy and
numba only. docs/shifts.md describes the methods.
"""
