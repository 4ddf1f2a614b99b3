"""Changes to points that are in the vector store already: removing unseen versions, new names and tags."""
