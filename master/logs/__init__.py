"""`piswarm logs`: what the processes of a run have printed and logged, of all nodes in order of time."""
