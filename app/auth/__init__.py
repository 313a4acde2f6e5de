"""Who may do what: passwords, sessions, roles, and the protection of every route."""
