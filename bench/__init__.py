"""The harness: suite files, run specifications, scheduler, trainer, evaluation."""
