"""What a plan, a run, a comparison and a recommendation look like as text."""
