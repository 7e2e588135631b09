"""Signals: rules in a file, evaluated on fills as of the day on which each was made; every signal says why it fired."""
