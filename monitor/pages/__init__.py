"""What people read in a browser: statements in the customer's language, without scripts or outside resources."""
