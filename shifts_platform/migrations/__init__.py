"""Migrations of both databases, from the SQL files in `sql/`: which are pending, and how they are applied."""
