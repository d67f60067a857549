"""The best student within a budget of size or of accuracy, looked for with Optuna."""
