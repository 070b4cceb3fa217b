"""Access control: API keys, idempotency keys and the rules for browsers."""
