"""What the benchmark of LAN servers is made of; `benchmarks.bench_lan` runs it."""
