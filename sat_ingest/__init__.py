"""What the satellite saw.  First floor: rasterio and numpy."""
