"""Jobs of a job system: the file that says what a job asks for, a Dask cluster of such jobs, and an array's script."""
