"""Training runs: recipes, the folder, the loop over stages, checkpoints, reports."""
