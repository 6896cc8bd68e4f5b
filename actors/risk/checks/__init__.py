"""What each control looks at, one small function a control; `actors.risk.rules` puts them in their order."""
