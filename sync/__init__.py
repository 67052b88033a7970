"""What travels between node and hub.  Second floor."""
