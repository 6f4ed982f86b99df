"""Photos as arrays, the encoders that look at them, and what was seen, kept."""
