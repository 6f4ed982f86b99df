"""What a command says: progress and warnings, without the noise of libraries."""
