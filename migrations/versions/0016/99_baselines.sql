-- Last: an entry that waits for its seal at the commit lets nobody alter the table of entries.
select audit.baseline('public.api_key');
