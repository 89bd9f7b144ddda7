"""A fleet: many machines that measure one bundle and send signed reports back, and a rollout to them in rings.

Everything of a fleet lies in ``fleets/<name>/``. Reports are read in their folder and indexed; nothing in them counts
before the signature of a machine of the fleet is verified.
"""
