"""The audit log: one chain of HMAC-linked entries per account."""
