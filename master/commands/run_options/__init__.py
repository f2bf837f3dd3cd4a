"""What `piswarm run` is told by options: its own, those of Locust, and the further files that they ask for."""
