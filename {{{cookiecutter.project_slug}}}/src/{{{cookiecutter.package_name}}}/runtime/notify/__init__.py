"""Alerts about runs, deadlines{{{ ' and deployments' if cookiecutter.stack == 'compose' or cookiecutter.orchestrator == 'kubeflow' else '' }}}, and the targets that receive them."""
