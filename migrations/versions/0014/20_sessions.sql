-- The database knows each session: who is signed in, how, since when and until when.
comment on table public.account_session is 'A session of an account. It counts while its row is open and has the account''s epoch.';
