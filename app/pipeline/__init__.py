"""What surrounds every endpoint: authentication, idempotency, commit, and recorded refusals."""
