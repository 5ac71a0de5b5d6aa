"""Assets, checks and jobs, by domain."""
