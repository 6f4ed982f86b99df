"""A trained VQA model at work: what it says to a question, and how surely."""
