"""The page of an endpoint, where one tries it: its template, its style, its script."""
