"""Asset checks: one file a check, with its specification and its evaluation for one partition."""
