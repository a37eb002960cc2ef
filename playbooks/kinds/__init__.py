"""One module for each sort of resource that is observed and converged on a host."""
