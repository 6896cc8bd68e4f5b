"""The one serialised check that every order passes: rules, the ledger of what orders may still do, and
RiskActor.
"""
