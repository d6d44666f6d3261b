"""The benchmarks: ratios to what the same machine can do without a framework (`make bench`)."""
