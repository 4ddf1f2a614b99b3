"""Collections in the catalog: the indexes that hold their points, re-indexes, the vector cache."""
