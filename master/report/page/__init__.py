"""What stands on the report's page, section by section, in the order in which a reader asks.

The verdict and why; were the machines fit; did the target keep its promises; what happened when; which endpoint; which node.
`context.py` puts the sections together; each has a template of its name in `master/report/templates`.
"""
