"""The methods as graphs."""
