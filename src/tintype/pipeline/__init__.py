"""The workflow: check → tune → train → judge → report → deploy → predict. Everything effectful is below; order is here."""
