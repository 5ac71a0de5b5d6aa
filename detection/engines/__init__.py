"""The three engines: rules, math and machine learning."""
