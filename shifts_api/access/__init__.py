"""Who may call: API keys, idempotency keys and the rules for browsers."""
