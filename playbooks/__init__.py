"""The drivers for hosts that are reached over SSH, and the engine that converges them."""
