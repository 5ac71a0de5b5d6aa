"""Private keys: where they come from, how they are stored, and that nobody else sees them."""
