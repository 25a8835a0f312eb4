"""Faithful stand-ins for outside services, over real HTTP."""
