"""Authentication of callers: users and services by JWTs of an issuer, bots by tokens we mint."""
