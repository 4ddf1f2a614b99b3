"""What is going on: tasks, queues, workers, and a summary of the last days; behind `TaskManager`."""
