"""Speed, each figure beside a peer or a floor measured in the same run. `python -m benchmarks [NAME…]`."""
