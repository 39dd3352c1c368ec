"""Health: checks of the machine and its services, and what the monitoring reads."""
