"""From an inventory to a fleet that runs one release: hosts, bundles, keys. Imports nothing of Locust.

`inventory.read_inventory` gives the hosts, `bundle.build` the release that they are to run.
"""
