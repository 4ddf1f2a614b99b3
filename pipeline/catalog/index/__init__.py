"""Indexes in the catalog: collections, the indexes that hold their points, the vector cache."""
