"""The hosts of a fleet, as Ansible reads them: groups, variables, patterns, and what each node is told. Runs and deployments share it."""
