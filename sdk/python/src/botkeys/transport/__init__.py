"""Internal: HTTP to exchanges and to the service; deadlines, retries and limits per host."""
