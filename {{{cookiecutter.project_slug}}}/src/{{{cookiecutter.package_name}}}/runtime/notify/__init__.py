"""Alerts about runs, deadlines and deployments, and the targets that receive them."""
