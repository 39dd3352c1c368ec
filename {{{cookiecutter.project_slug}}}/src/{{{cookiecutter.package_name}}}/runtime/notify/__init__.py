"""Alerts of runs, deadlines and deployments: what they say, and where they are sent."""
