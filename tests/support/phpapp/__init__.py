"""A small PHP application with the habits of real ones, and its recipe."""
