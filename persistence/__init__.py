"""What outlives the process: stores behind the ports that the rooms of ``actors`` declare, and their servers.

An implementation belongs here, a rule of the business never does.
"""
