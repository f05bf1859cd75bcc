"""Measuring speed: what of (case), on what (task), beside what (references), how, in which time (budget)."""
