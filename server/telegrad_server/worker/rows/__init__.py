"""Handlers of the rows that are not plain ops."""
