"""A trend as people read it: in a terminal, and as one page that works offline."""
