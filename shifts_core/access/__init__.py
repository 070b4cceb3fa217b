"""Who may see what: roles, API keys and sessions of pages; pure rules."""
