"""Which techniques to use together: a factorial experiment whose blocks each inform every factor; no torch here."""
