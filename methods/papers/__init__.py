"""What the papers of the methods trained them with: a module for each file of `methods`; see `methods.published`."""
