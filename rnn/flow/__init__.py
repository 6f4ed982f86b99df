"""What flows back through a net."""
