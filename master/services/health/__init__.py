"""Whether services are healthy: asking them, what their answers say, and when one was lost."""
