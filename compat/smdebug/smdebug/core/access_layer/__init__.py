"""Files of a log, as far as others ask for them."""
