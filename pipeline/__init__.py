"""The engine: settings, catalog, spool, vector store, Celery app, stages, TaskManager, and the doors."""
