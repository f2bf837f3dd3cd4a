"""The shape of a scenario file, section by section."""
