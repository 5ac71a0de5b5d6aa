"""The vectors of the registry's format, for whoever writes a verifier: `python -m tests.vectors` makes them anew.

They are the folder ``docs/registry-format/vectors``. Each is a small registry, its time, and what a verifier must say
of it. Their keys are made of seeds that everybody knows, so they prove nothing but that a verifier is right.
"""
