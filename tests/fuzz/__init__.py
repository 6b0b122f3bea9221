"""What comes in by each door, made wrong in ways that nobody has thought of."""
