"""Who may do what: secrets, sessions, one-time codes, and the table of routes."""
