"""One file per wire format, each to a FlowBatch."""
