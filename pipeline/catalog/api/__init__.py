"""What the HTTP API keeps in the catalog: keys, idempotency keys, the webhook outbox, pages of long lists."""
