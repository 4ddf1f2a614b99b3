"""Raises when it is imported, as packages do."""

raise RuntimeError("this package needs a library that is not there")
