"""Composing workflows: stage declarations, the built-in stages, validation of signatures, plug-ins, diagrams."""
