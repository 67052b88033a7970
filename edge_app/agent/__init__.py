"""The agents' app for tablets, and the JSON API that it uses; both work for other programs too."""
