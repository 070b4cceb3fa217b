"""What the routes read from the database, and the tiles that are kept in memory."""
