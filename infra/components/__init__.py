"""The parts of a stack, one subject each."""
