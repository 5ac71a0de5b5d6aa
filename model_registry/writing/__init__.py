"""Everything that changes a registry: publishing, signing, rotating, promoting, collecting."""
