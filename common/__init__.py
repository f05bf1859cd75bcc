"""What every package of the house may use, and what uses none of them: errors, registries, files written whole."""
