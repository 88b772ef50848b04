"""Random generators: the Mersenne Twister as PyTorch draws from it on the CPU, and Philox for devices."""
