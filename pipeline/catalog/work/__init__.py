"""Work in the catalog: jobs, attempts, batches and their tasks, admission, failures, events, webhooks, status."""
