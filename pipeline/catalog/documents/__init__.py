"""Documents in the catalog: versions, names, tags, what readers see, watched files, what is no longer needed."""
