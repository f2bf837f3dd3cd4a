"""What the users do, as a package beside the locustfile."""
