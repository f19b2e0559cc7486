"""Running a plan into a folder, scoring masks from elsewhere, measuring cost, merging."""
