"""The demonstration: invented people, institutions at work and synthetic cases, made through the panel's own services.

Nothing here has a power that the panel has not: each record is written by the person whose work it would be.
No value stands for anybody who lives, and each narrative says that it is synthetic.
"""
