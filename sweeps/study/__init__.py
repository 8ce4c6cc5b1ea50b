"""Study files: their fields, how they are read, what is refused."""
