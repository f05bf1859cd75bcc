"""The conformance check of one method: planted problems, and what a method must do on them."""
