"""What is measured, each module one subject; `python -m ops.bench` runs them all."""
