"""`tg.profile()`: where the time of a block went, on this side and on the server's."""
