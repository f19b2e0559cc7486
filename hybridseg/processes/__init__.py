"""Work spread over processes: on this machine, in shards of a job array, on a Dask cluster."""
