create table public.handover (like itm.record including all, like itm.side including all, state varchar not null,
  need varchar not null, due_day date not null, answer_day date, person_id uuid, note_enc bytea);
select itm.keep('handover', 'handover', refs => '{person_id>person}', about => 'person_id', private => '{note_enc}',
  recent => 'due_day', common => '{state,need,due_day,answer_day}',
  states => '{>asked,asked>taken@to:answer_day,asked>refused@to,asked>withdrawn@from,taken>ended@both}');

create table public.visit (like itm.record including all, handover_id uuid not null, state varchar not null,
  day date not null, province varchar, needs varchar[] not null default '{}', urgent boolean not null, note_enc bytea);
select itm.keep('visit', 'visit', refs => '{handover_id>handover}', parent => 'handover_id',
  about => 'handover_id>handover>person_id', private => '{note_enc}', states => '{>planned,planned>done,planned>off}',
  recent => 'day');

select itm.keep_list('support_need', '{SHELTER,HEALTH,PSYCHOSOCIAL,LEGAL,INTERPRETATION,EDUCATION,WORK,FINANCIAL,SAFETY,CHILDCARE,RETURN}');
select itm.keep_codes('handover', '{need>support_need}');
select itm.keep_codes('visit', '{province>province,needs>support_need}');
