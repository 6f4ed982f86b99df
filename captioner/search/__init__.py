"""How captions are searched for: strategies, rules, and the loop that runs them."""
