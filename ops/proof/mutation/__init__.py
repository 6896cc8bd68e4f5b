"""Small changes made by a machine to the pure cores, each of which some test has to notice.

mutmut makes the changes and runs the tests; this decides what is asked of whom, and what a survivor means. A
change that no test notices is a gap in the tests, or it changes nothing that can be seen: then
`explained.toml` says why.
"""
