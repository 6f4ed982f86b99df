"""How close captions come to what people wrote."""
