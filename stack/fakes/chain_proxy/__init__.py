"""A JSON-RPC node that goes wrong when told to: a real HTTP proxy in front of any node.

What no fault touches passes byte for byte, but for raw transactions, whose answers are read. Faults
lie, lag, refuse, break or delay, for the methods, the share and the number of requests they are
given, repeatably by their seed, and count how often they struck. It also holds to what public pools
demand and anvil does not: raw transactions of 131,072 bytes and 2^24 gas at most, and replacements
whose two fees are both 10 % higher.
"""
