"""From features to models, and how good they are."""
