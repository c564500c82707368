"""The workflow: check → tune → train → judge → report → deploy → predict. Only the order is here."""
