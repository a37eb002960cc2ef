"""WordPress from Debian's packages: a real application of PHP and MySQL, with a recipe, for tests of hosts."""
