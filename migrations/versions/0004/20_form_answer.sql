-- The page that answers a form, until its browser has asked for it by GET, and for Back and reload after that: an hour, or
-- the ten minutes of a reveal. It is sealed with a key of which a part stands in its reader's session cookie alone, and
-- not watched: what it shows is recorded when it is made and whenever it is shown.
create table form_answer (
  id uuid primary key,
  institution_id uuid not null,
  account_id uuid not null,
  sealed bytea not null,
  expires_at timestamp with time zone not null,
  constraint form_answer_account foreign key (institution_id, account_id) references account (institution_id, id),
  constraint form_answer_lifetime check (expires_at <= now() + interval '1 hour')
);
comment on column form_answer.sealed is 'The page as it was answered, with everything personal on it; opens with its reader''s session alone.';
create index form_answer_age on form_answer (account_id, expires_at);

alter table form_answer enable row level security;
alter table form_answer force row level security;
create policy form_answer_own on form_answer for all to itm_app
  using (account_id = (select itm.account()))
  with check (account_id = (select itm.account()) and institution_id = (select itm.home()));
create policy form_answer_old on form_answer for delete to itm_signer using (expires_at < now());
create policy form_answer_age on form_answer for select to itm_signer using (true);
create policy form_answer_look on form_answer for select to itm_owner using (true);
create policy form_answer_gone on form_answer for delete to itm_owner using (true);
revoke all on form_answer from public;
grant select, insert, delete on form_answer to itm_app; -- what is over is thrown away
grant delete, select (expires_at) on form_answer to itm_signer;

