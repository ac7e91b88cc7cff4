"""`itm demo story`: one case from the hotline to the printed proof, played through the panel's own pages.

Only the alteration that the story is about goes past the panel; it is reverted at the end.
"""
