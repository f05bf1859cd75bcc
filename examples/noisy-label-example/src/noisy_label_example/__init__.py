"""Plug-ins of noisy-label-bench: an example."""
