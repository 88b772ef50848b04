"""Draws of PyTorch's CPU generator on this side: the numbers that the server draws, bit for bit."""
