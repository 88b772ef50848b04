"""The steps of the check. Each module has `run(card, findings)`."""
