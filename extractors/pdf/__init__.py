"""PDF: `extract` reads a file with one of the engines; the other modules each know one part of a page or a file."""
