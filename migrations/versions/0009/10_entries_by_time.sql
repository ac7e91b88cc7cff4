-- Baselines of the migrations before this one are sealed first: no index is made over events that wait for it.
set constraints all immediate;
set constraints all deferred;

-- Pages and filters go by the event's own time: the sealed one never goes back, so a clock that ran ahead stands still in it.

create index event_time on audit.event (at, id);
create index event_ledger_time on audit.event (ledger_id, at, id);

-- Places of the newest entries of the reader's own ledger that fit, whether they may be seen or not: ids of events and
-- nothing else. Row-level security then answers for these alone, and not for all that fit in a long ledger.
create function itm.newest_entries(
  ids text[], actor text, act text, ended text, why text, of_kind text,
  since timestamptz, until timestamptz, before timestamptz, before_id uuid, most integer
) returns table (event_id uuid, at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
as $$
begin
  if audit.reads() is distinct from 'ledger' then return; end if;
  return query
    select e.id, e.at from audit.event e
     where e.ledger_id = any (array(select l.id from audit.ledger l where l.holder = audit.own_holder()))
       and (ids is null or e.target_id = any (ids) or (e.subjects && ids and e.subjects <> '{}'))
       and (actor is null or e.actor_id = actor)
       and (act is null or e.action = act)
       and (ended is null or e.outcome = ended)
       and (why is null or e.purpose = why)
       and (of_kind is null or e.target_kind = of_kind)
       and (since is null or e.at >= since)
       and (until is null or e.at < until)
       and (before is null or (e.at, e.id) < (before, before_id))
     order by e.at desc, e.id desc limit least(most, 2000);
end $$;
comment on function itm.newest_entries is 'Where the newest fitting entries of the reader''s ledger stand; each is then asked for by itself.';

-- Whose access a change, or an approval of a role, is about.
create function itm.names_of_access(ids uuid[]) returns table (id uuid, kind text, name text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select c.id, 'access_change', a.first_name || ' ' || a.last_name
    from public.access_change c join public.account a on a.id = c.account_id where c.id = any (ids)
  union all
  select v.id, 'grant_approval', a.first_name || ' ' || a.last_name
    from public.grant_approval v join public.role_grant g on g.id = v.grant_id
    join public.account a on a.id = g.account_id where v.id = any (ids)
$$;
comment on function itm.names_of_access(uuid[]) is 'Names of the people whose access was changed, as far as the reader may see them.';

revoke all on function itm.newest_entries, itm.names_of_access from public;
grant execute on function itm.newest_entries, itm.names_of_access to itm_app;
