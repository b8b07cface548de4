"""What the product costs: measured, and set against a yardstick in the same run.

`python -m benchmarks` (`make bench`) runs all, `python -m benchmarks load start` some. Seconds mean little on a machine
that does other things too; the ratio to the yardstick means more, as both are taken in turns. A missed target is a
printed word: whether it matters is for whoever reads it.
"""
