"""What the pipeline costs, beside what the work itself costs."""
