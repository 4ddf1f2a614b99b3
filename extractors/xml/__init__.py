"""XML: feeds, SVG, any other vocabulary; and fragments of HTML."""
