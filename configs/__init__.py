"""Complete training recipes, one TOML file each, reachable by name."""
