"""The promise: contracts as exact, frozen types, their periods, working hours and money. Knows nothing else."""
