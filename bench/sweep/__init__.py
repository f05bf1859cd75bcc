"""Many runs: what they cost, in which order and where they go, worker processes, leases, Dask clusters, progress."""
