"""Documents in the catalog: versions, attempts, tags, names, what readers see, what nobody needs any more."""
