"""Re-indexes in the catalog: requests and their state, documents missing in the new index, the switch of indexes."""
