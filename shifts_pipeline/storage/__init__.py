"""Tables and transactions of the trips database: COPY, the ledger, derived tables."""
