"""How long the steps of a move from one socket to a newer one may take: the same for the account's events
(handover.py) and for market data (market_handover.py), so that both links keep what the documentation says of one."""

OWED_S_MAX = 5.0
"""How much later than the former socket the newer one may bring something before it is called deaf."""
OVERLAP_S_MIN, OVERLAP_S_MAX = 2.0, 60.0
"""How long both are listened to; the longer time while the newer one has not been seen to bring what it should."""
REMEMBER_S = 10.0
"""How long after the end of one of them copies of what it brought are still recognised."""
LOOK_EVERY_S = 0.25
"""How often it is looked at what has become of it."""
