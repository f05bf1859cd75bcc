"""What a training recipe may name: optimisers and schedules, their settings, and how tables of settings are checked."""
