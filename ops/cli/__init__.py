"""The command line: `tradewarden SUBCOMMAND`.

Thin: each subcommand asks the service or the database, and prints.
"""
