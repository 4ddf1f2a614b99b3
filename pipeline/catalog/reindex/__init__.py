"""Re-indexes in the catalog: requests and their state, documents that the new index lacks, the switch of indexes."""
