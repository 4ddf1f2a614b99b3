"""Work in the catalog: jobs, batches and their tasks, admission, path jobs, events, progress, status."""
