"""Workflows: what a data engineer writes. Declarations over the stages of `pipeline`, nothing else."""
