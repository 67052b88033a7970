"""What is known of the land: types, durable store, photos.  The ground floor: stdlib and tinydb."""
