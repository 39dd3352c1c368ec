"""What the template costs: each module measures one thing and prints ratios from one run."""
