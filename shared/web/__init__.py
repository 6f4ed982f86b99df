"""The page's server: who may use it, how much of it, and the parts that tabs share."""
