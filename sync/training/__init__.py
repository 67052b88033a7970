"""How dictionaries are made; nothing that runs imports it."""
