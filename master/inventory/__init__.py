"""The hosts of a fleet, as Ansible reads them: groups, variables, patterns, and the settings of each node. Runs and deployments share it."""
