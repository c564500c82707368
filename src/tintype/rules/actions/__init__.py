"""What is done when a rule finds an issue: the training is stopped, or somebody is told."""
