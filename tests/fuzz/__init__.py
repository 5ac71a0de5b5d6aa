"""Coverage-guided fuzzing of whatever reads bytes from strangers: `make fuzz`.

A target is a module with ``one_input(data)``, which raises on a broken promise, and ``seeds()``, inputs to begin with;
``words()`` gives what inputs are made of, where that is not what exporters write.
"""
