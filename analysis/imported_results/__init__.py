"""Results that were made elsewhere, read as tables: of a file, a standard input, a folder or a database."""
