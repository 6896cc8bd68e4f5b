"""Alerts that become orders: a charting site's webhook, mapped, bounded, with a secret of its own."""
