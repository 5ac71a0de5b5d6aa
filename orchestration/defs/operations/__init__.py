"""Who is told when something goes wrong."""
