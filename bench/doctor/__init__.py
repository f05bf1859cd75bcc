"""The check of a machine: what is installed and found, and short runs through real workers."""
