"""Benchmarks of the media engine: a load of replay peers, engines to put under it, and what they cost."""
