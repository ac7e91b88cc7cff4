"""A small area as a developer would write it, to try the base of all records with. No part of the product."""
