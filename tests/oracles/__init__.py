"""Slow plain answers, written from the definitions and sharing no code with `lengthwise`."""
