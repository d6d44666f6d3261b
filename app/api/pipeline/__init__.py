"""What surrounds a request's handler, first of all authentication and idempotency."""
