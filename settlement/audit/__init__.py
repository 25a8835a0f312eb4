"""The record of what settlement did, sealed so that no change of it goes unseen.

Guarantees: rows are hashed into blocks in an order that no later commit can disturb; whoever
remembers one block's hash finds every edit, deletion and insertion below it, without a database.
"""
