"""The feed: what the outbox holds, heard once and told to everyone."""
