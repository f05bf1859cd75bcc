"""Pages of the documentation that are written from what is registered."""
