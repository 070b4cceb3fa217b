"""The feed: events of the outbox, read once and delivered to every client."""
