"""From nothing to an on-device classifier, on real data from the package registry alone."""
