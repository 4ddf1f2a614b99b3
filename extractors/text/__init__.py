"""Text files: plain text, Markdown, CSV, JSON, address cards; what in them is a table, and what is no text."""
