"""The experiment tracker and the model registry: MLflow."""
