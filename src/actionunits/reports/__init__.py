"""Numbers → something that a person reads: tables, pictures, pages."""
