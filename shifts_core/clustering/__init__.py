"""Clustering: groups of trips that are similar in origin, destination and time of day."""
