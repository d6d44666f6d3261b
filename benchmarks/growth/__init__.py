"""How the cost of each call and each sweep grows with the number of keys."""
