"""Change points in the vector store: remove versions that are not searchable, write new names and tags."""
