"""What people touch: command line, farmer pages, advice.  The roof: flask."""
