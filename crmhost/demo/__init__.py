"""The whole story on one machine, told with the same commands that a hosting company types."""
