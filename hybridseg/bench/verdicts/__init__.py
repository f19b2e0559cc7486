"""From rows to numbers: summaries, paired comparisons, recommendations."""
