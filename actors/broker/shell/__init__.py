"""The waiting parts of the broker: child tasks around the pure modules. Beside actor.py, trio is used only
here.
"""
