"""Where in a picture a network looks, found by a confined process, one at a time."""
