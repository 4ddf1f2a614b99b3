"""Encodings of text files: which one a file has, by exact rules first and by how well it then reads."""
