"""Analytics of trades and equity: summaries, equity curves and dashboards."""
