"""Training runs: the folder, checkpoints, the optimizer and its steps, figures."""
