"""Dead letters: the documents that failed and are not cured, as lists that are filtered, retried and purged."""
