"""Webhooks: telling others that a job has ended. Signed, from an outbox in the catalog, to checked addresses only."""
