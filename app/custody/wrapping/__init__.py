"""Master keys whose file holds no plain seed: something else has to unwrap it at start."""
