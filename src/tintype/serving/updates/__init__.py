"""How what runs becomes what is wanted: `rollout` decides, `reconciler` does."""
