"""Referrals: one institution asks another for a service for a person, and both can prove what was sent and answered."""
