"""Who calls: users and services by the JWTs of an issuer, bots by tokens of our own making."""
