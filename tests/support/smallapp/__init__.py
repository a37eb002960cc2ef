"""A small real database application and its recipe: the whole vocabulary of deploying, ready in well under a second."""
