"""What events mean: facts, one row per thing that happened, and the present state they add up to.

Facts are immutable while their block stands; a projection holds nothing that its facts do not.
"""
