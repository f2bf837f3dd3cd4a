"""From an inventory to a fleet that runs one release: hosts, releases, keys. Imports nothing of Locust.

`inventory.read_inventory` gives the hosts, `builder.build` the release that they are to run.
"""
