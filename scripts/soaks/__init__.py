"""What runs for long; see scripts/soak."""
