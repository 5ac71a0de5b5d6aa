"""Where a registry's files are: a folder on disk, or a prefix in an object store."""
