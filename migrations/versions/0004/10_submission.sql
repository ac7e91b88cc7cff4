-- What was sent once, by its key, and the record that it became: the second sender waits on the unique key.
-- Kept for a week and not watched: the record's own event tells of it. `key` and `content` are keyed digests, which
-- cannot be turned back into what was typed.
create table submission (
  institution_id uuid not null,
  account_id uuid not null,
  key varchar not null,
  content varchar not null,
  record uuid,
  sent_at timestamp with time zone default now() not null,
  primary key (account_id, key),
  constraint submission_account foreign key (institution_id, account_id) references account (institution_id, id),
  constraint submission_digests check (length(key) = 64 and length(content) = 64)
);
create index submission_age on submission (account_id, sent_at);

alter table submission enable row level security;
alter table submission force row level security;
create policy submission_own on submission for all to itm_app
  using (account_id = (select itm.account()))
  with check (account_id = (select itm.account()) and institution_id = (select itm.home()));
revoke all on submission from public;
grant select, insert, update (record), delete on submission to itm_app; -- what is older than a week is thrown away
