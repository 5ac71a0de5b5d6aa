"""From models that passed their gates to a signed manifest."""
