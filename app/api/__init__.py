"""How requests enter and leave: routing, transactions, limits, problems, OpenAPI document."""
