"""What a script may call, and the commands call too: plan, run, tune, report, records; see `bench.api.functions`."""
