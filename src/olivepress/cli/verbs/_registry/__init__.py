"""The verbs about what is in production: promote, rollback, audit, lineage, sign."""
