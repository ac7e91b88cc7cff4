-- What another institution reads too names nobody (audit.context, 80_context.sql), and no key of the one that acts.
do $$
declare
  body constant text := pg_get_functiondef('audit.context()'::regprocedure);
  names constant text := $text$proved #- '{actor,name}'$text$;
begin
  if strpos(body, names) = 0 then
    raise exception 'audit.context takes no name out any more';
  end if;
  execute replace(body, names, names || $text$ || '{"on_behalf_of": null}'$text$);
end $$;
