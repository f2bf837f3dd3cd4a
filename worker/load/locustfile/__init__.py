"""What a worker takes from a locustfile: its classes, options, messages, and what it attaches to reports."""
