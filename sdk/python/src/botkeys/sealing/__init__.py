"""Internal: the sealed formats that the service and a bot share (docs/custody.md)."""
