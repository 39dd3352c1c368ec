"""What the template costs: each file asks one question, and prints ratios from one run."""
