"""The customer's signed document of one period: canonical bytes, signature, chain, and the proof of all three."""
