"""The processes of a run on the controller's own machine: starting, ending and limits; and which board each simulated node is."""
