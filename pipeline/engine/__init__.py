"""The engine: Celery and kombu are imported here alone. Tasks, canvases, executor, reconciler, workers."""
