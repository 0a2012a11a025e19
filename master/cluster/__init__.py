"""What acts on the workers: starts them, calls them, watches them."""
