"""`python -m pipeline` is `docrelay`."""

from pipeline.cli import main

main()
