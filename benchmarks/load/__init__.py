"""`make bench-load`: many users at once, in front of the product as it is deployed."""
