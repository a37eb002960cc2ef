"""A small application of PHP and MySQL, and its recipe: what a host without commands carries in tests."""
