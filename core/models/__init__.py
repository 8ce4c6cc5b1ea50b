"""Built-in tasks, each in a file with its settings and its network, and what they are made of."""
