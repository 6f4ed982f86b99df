"""Where a model errs, and what would have spared it that."""
