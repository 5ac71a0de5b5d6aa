"""From traffic to features."""
