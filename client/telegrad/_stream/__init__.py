"""From a recorded row to its reply: the queue, the sender, submissions, failures, large values, waiting."""
