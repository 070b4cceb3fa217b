"""Tables and views of both databases, declared for statements that are built in Python.

`sql/` creates them; a test compares these declarations with a migrated database.
"""
