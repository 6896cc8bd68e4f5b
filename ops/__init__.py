"""Everything around the runtime: the command line, deployment, proofs, benchmarks, lints.

The runtime never imports from here.
"""
