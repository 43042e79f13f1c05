"""Graph, fingerprint, cache, engine, executors. Rule: a step is a plain function; a hit is proved, never assumed."""
