"""Figures as inline SVG: no script, no network, both themes. One file per family; `plane` holds the axes of most."""
