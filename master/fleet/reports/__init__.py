"""What of the nodes' reports is believed."""
