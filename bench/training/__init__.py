"""One run from its specification to its record: data, task, steps, stages, evaluation, observation, checkpoints."""
