"""The farmer's pages: server-rendered, four languages, no JavaScript needed."""
