"""What the controller serves over HTTP while a run is on."""
