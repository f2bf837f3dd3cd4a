"""Whether something drifted in a soak: latency, errors, memory and temperature over the longest hold of a run.

The chain, from run.db to a verdict: `blocks` (warm-up dropped, the rest in blocks), `series` (a value a block), `saw_tooth` and
`adjustment` (what is not drift taken out), `drift` and `mann_kendall` (two tests of a series), `discovery` (many series at once),
`metrics` (what is looked at, and from where on a drift matters), `assess` (the verdict). NumPy and SciPy are loaded with these
modules, so that only a command that needs them pays for it.
"""
