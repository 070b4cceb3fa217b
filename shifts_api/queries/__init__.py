"""Statements, the connections that run them, and the tiles in memory."""
