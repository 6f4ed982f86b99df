"""The net: a reader of questions, nets that answer, and what runs them."""
