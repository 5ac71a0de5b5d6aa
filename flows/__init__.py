"""The ground floor: what a flow is, how tools write it, and what we measure about it."""
