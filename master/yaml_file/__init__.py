"""YAML files of the operator as plain data, with the line of everything in them."""
