"""``tidegate registry`` and ``tidegate keys``."""
