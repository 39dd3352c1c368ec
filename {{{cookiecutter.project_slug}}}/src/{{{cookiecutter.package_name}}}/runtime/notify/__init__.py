"""Alerts: what people are told of runs, deadlines and deployments, and where it is sent."""
