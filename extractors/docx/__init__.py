"""Word files: `extract` reads a file; the other modules each know one part of it."""
