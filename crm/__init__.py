"""The catalogue of CRMs, and the words of deploying. No I/O."""
