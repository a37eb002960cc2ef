"""Measuring, settling and paying back."""
