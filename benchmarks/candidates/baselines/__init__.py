"""Simple classifiers that are trained on the same data as the student, each kept as the files that an app would ship.

Each module has ``prepare``, which trains once, and ``open_…``, the factory; the worker calls both with the same arguments.
What they were set to was compared on whole sentences of SST-2's train that were held out (1,347), not on dev.
"""
