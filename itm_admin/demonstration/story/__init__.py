"""`itm demo story`: one case from the hotline to the proof on paper, played through the panel's own pages.

Nothing is put into the database past the panel but the one alteration that the story is about; it is taken back.
"""
