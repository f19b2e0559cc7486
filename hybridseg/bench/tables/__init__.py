"""Plans, runs, comparisons and recommendations as text."""
