"""Alerts about runs, deadlines{{{ ' and deployments' if cookiecutter.__has_image else '' }}}, and the targets that receive them."""
