"""The search for a row's settings on noisy validation labels."""
