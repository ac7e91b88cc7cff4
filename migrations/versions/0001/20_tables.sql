-- The tables of institutions, accounts, records, jobs and alerts. Rules follow in the next files.

CREATE TABLE alert (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  kind VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  holder UUID,
  subject VARCHAR,
  first_broken BIGINT,
  detail JSONB DEFAULT '{}' NOT NULL,
  raised_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  acknowledged_by UUID,
  PRIMARY KEY (id),
  CONSTRAINT alert_severity CHECK (severity in ('warning', 'critical'))
);
CREATE UNIQUE INDEX alert_open_once ON alert (kind, coalesce(subject, '')) WHERE acknowledged_at is null;

CREATE TABLE institution (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  code VARCHAR NOT NULL,
  name_tr VARCHAR NOT NULL,
  name_en VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,
  member_from DATE,
  member_to DATE,
  votes BOOLEAN DEFAULT true NOT NULL,
  status VARCHAR DEFAULT 'active' NOT NULL,
  k_threshold INTEGER,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT institution_code_form CHECK (code ~ '^[A-Z][A-Z0-9_]{1,15}$'),
  CONSTRAINT institution_status CHECK (status in ('active', 'suspended')),
  UNIQUE (code)
);
CREATE UNIQUE INDEX institution_one_presidency ON institution (kind) WHERE kind = 'presidency';

CREATE TABLE job_run (
  job VARCHAR NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  finished_at TIMESTAMP WITH TIME ZONE,
  outcome VARCHAR DEFAULT 'running' NOT NULL,
  detail VARCHAR,
  PRIMARY KEY (job, due_at),
  CONSTRAINT job_run_outcome CHECK (outcome in ('running', 'success', 'failure'))
);

CREATE TABLE login_throttle (
  key BYTEA NOT NULL,
  "window" TIMESTAMP WITH TIME ZONE NOT NULL,
  tries INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (key, "window")
);

CREATE TABLE verification_request (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  holder UUID,
  level VARCHAR NOT NULL,
  requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  requested_by UUID NOT NULL,
  state VARCHAR DEFAULT 'waiting' NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE,
  finished_at TIMESTAMP WITH TIME ZONE,
  done BIGINT DEFAULT 0 NOT NULL,
  total BIGINT DEFAULT 0 NOT NULL,
  seconds_left INTEGER,
  verdict VARCHAR,
  PRIMARY KEY (id),
  CONSTRAINT verification_request_level CHECK (level in ('incremental', 'sample', 'full')),
  CONSTRAINT verification_request_state CHECK (state in ('waiting', 'running', 'done', 'failed'))
);
CREATE INDEX verification_request_recent ON verification_request (requested_at desc);

CREATE TABLE case_counter (
  institution_id UUID NOT NULL,
  year INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (institution_id, year),
  FOREIGN KEY(institution_id) REFERENCES institution (id)
);

CREATE TABLE institution_key (
  institution_id UUID NOT NULL,
  wrapped BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (institution_id),
  FOREIGN KEY(institution_id) REFERENCES institution (id)
);

CREATE TABLE unit (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  parent_id UUID,
  name VARCHAR NOT NULL,
  province VARCHAR,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT unit_in_institution UNIQUE (institution_id, id),
  CONSTRAINT unit_name_per_parent UNIQUE (institution_id, parent_id, name),
  CONSTRAINT unit_parent FOREIGN KEY(institution_id, parent_id) REFERENCES unit (institution_id, id),
  FOREIGN KEY(institution_id) REFERENCES institution (id)
);
CREATE UNIQUE INDEX unit_one_root ON unit (institution_id) WHERE parent_id is null;

CREATE TABLE account (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  unit_id UUID,
  username VARCHAR NOT NULL,
  first_name VARCHAR NOT NULL,
  last_name VARCHAR NOT NULL,
  email VARCHAR NOT NULL,
  title VARCHAR,
  language VARCHAR DEFAULT 'tr' NOT NULL,
  active BOOLEAN DEFAULT true NOT NULL,
  epoch INTEGER DEFAULT 0 NOT NULL,
  last_login TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT account_in_institution UNIQUE (institution_id, id),
  CONSTRAINT account_email_per_institution UNIQUE (institution_id, email),
  CONSTRAINT account_username_form CHECK (username ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$'),
  CONSTRAINT account_language CHECK (language in ('tr', 'en')),
  CONSTRAINT account_unit FOREIGN KEY(institution_id, unit_id) REFERENCES unit (institution_id, id),
  FOREIGN KEY(institution_id) REFERENCES institution (id),
  UNIQUE (username)
);
CREATE INDEX account_by_name ON account (institution_id, itm.tr_key(last_name), itm.tr_key(first_name), id);

CREATE TABLE case_file (
  institution_id UUID NOT NULL,
  reference VARCHAR NOT NULL,
  status VARCHAR DEFAULT 'Active' NOT NULL,
  opened_on DATE NOT NULL,
  closed_on DATE,
  closure_reason VARCHAR,
  province VARCHAR NOT NULL,
  referral_source VARCHAR NOT NULL,
  exploitation_types VARCHAR[] DEFAULT '{}' NOT NULL,
  industry VARCHAR,
  confidentiality VARCHAR DEFAULT 'INTERNAL' NOT NULL,
  shared BOOLEAN DEFAULT true NOT NULL,
  lead_institution_id UUID NOT NULL,
  data_key BYTEA,
  narrative_enc BYTEA,
  closure_note_enc BYTEA,
  held_at TIMESTAMP WITH TIME ZONE,
  hold_reason VARCHAR,
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  unit_id UUID NOT NULL,
  deleted_at TIMESTAMP WITH TIME ZONE,
  deletion_reason VARCHAR,
  sensitivity SMALLINT DEFAULT 1 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT case_file_in_institution UNIQUE (institution_id, id),
  CONSTRAINT case_file_reference UNIQUE (institution_id, reference),
  CONSTRAINT case_file_unit FOREIGN KEY(institution_id, unit_id) REFERENCES unit (institution_id, id),
  CONSTRAINT case_file_closure CHECK ((closed_on is null) = (closure_reason is null)),
  CONSTRAINT case_file_deletion CHECK ((deleted_at is null) = (deletion_reason is null)),
  CONSTRAINT case_file_sensitivity CHECK (sensitivity between 0 and 3),
  CONSTRAINT case_file_hold CHECK ((held_at is null) = (hold_reason is null)),
  FOREIGN KEY(institution_id) REFERENCES institution (id),
  FOREIGN KEY(lead_institution_id) REFERENCES institution (id)
);
CREATE INDEX case_file_recent ON case_file (institution_id, opened_on desc, id desc);
CREATE INDEX case_file_unit_status ON case_file (institution_id, unit_id, status);
CREATE INDEX case_file_shared_recent ON case_file (opened_on desc, id desc) WHERE shared and deleted_at is null;

CREATE TABLE person (
  institution_id UUID NOT NULL,
  pseudonym VARCHAR NOT NULL,
  gender VARCHAR NOT NULL,
  citizenships VARCHAR[] DEFAULT '{}' NOT NULL,
  language VARCHAR,
  age_band VARCHAR DEFAULT 'UNK' NOT NULL,
  is_child BOOLEAN,
  birth_precision VARCHAR,
  data_key BYTEA,
  given_name_enc BYTEA,
  family_name_enc BYTEA,
  birth_date_enc BYTEA,
  tckn_enc BYTEA,
  ykn_enc BYTEA,
  passport_enc BYTEA,
  phone_enc BYTEA,
  email_enc BYTEA,
  address_enc BYTEA,
  guardian_enc BYTEA,
  index_terms BYTEA[] DEFAULT '{}' NOT NULL,
  held_at TIMESTAMP WITH TIME ZONE,
  hold_reason VARCHAR,
  erased_at TIMESTAMP WITH TIME ZONE,
  erasure_ground VARCHAR,
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  unit_id UUID NOT NULL,
  deleted_at TIMESTAMP WITH TIME ZONE,
  deletion_reason VARCHAR,
  sensitivity SMALLINT DEFAULT 1 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT person_in_institution UNIQUE (institution_id, id),
  CONSTRAINT person_pseudonym UNIQUE (institution_id, pseudonym),
  CONSTRAINT person_unit FOREIGN KEY(institution_id, unit_id) REFERENCES unit (institution_id, id),
  CONSTRAINT person_birth_precision CHECK (birth_precision in ('year', 'month', 'day')),
  CONSTRAINT person_deletion CHECK ((deleted_at is null) = (deletion_reason is null)),
  CONSTRAINT person_sensitivity CHECK (sensitivity between 0 and 3),
  CONSTRAINT person_hold CHECK ((held_at is null) = (hold_reason is null)),
  CONSTRAINT person_erasure CHECK ((erased_at is null) = (erasure_ground is null)),
  CONSTRAINT person_erased CHECK (erased_at is null or (index_terms = '{}' and num_nonnulls(data_key, given_name_enc, family_name_enc, birth_date_enc, tckn_enc, ykn_enc, passport_enc, phone_enc, email_enc, address_enc, guardian_enc) = 0)),
  FOREIGN KEY(institution_id) REFERENCES institution (id)
);
CREATE INDEX person_index_terms ON person USING gin (index_terms);
CREATE INDEX person_recent ON person (institution_id, created_at desc, id desc);

CREATE TABLE case_assignment (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  case_id UUID NOT NULL,
  account_id UUID NOT NULL,
  assigned_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  CONSTRAINT case_assignment_case FOREIGN KEY(institution_id, case_id) REFERENCES case_file (institution_id, id),
  CONSTRAINT case_assignment_account FOREIGN KEY(institution_id, account_id) REFERENCES account (institution_id, id)
);
CREATE INDEX case_assignment_of_account ON case_assignment (account_id, case_id);
CREATE UNIQUE INDEX case_assignment_once ON case_assignment (case_id, account_id) WHERE ended_at is null;

CREATE TABLE case_person (
  case_id UUID NOT NULL,
  person_id UUID NOT NULL,
  role VARCHAR NOT NULL,
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  unit_id UUID NOT NULL,
  deleted_at TIMESTAMP WITH TIME ZONE,
  deletion_reason VARCHAR,
  sensitivity SMALLINT DEFAULT 1 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT case_person_in_institution UNIQUE (institution_id, id),
  CONSTRAINT case_person_case FOREIGN KEY(institution_id, case_id) REFERENCES case_file (institution_id, id),
  CONSTRAINT case_person_person FOREIGN KEY(institution_id, person_id) REFERENCES person (institution_id, id),
  CONSTRAINT case_person_unit FOREIGN KEY(institution_id, unit_id) REFERENCES unit (institution_id, id)
);
CREATE INDEX case_person_of_person ON case_person (institution_id, person_id);
CREATE UNIQUE INDEX case_person_once ON case_person (case_id, person_id, role) WHERE deleted_at is null;

CREATE TABLE credential (
  account_id UUID NOT NULL,
  institution_id UUID NOT NULL,
  password_hash VARCHAR NOT NULL,
  failures INTEGER DEFAULT 0 NOT NULL,
  locked_until TIMESTAMP WITH TIME ZONE,
  changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (account_id),
  CONSTRAINT credential_account FOREIGN KEY(institution_id, account_id) REFERENCES account (institution_id, id)
);

CREATE TABLE invitation (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  account_id UUID NOT NULL,
  token_digest BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  CONSTRAINT invitation_account FOREIGN KEY(institution_id, account_id) REFERENCES account (institution_id, id),
  UNIQUE (token_digest)
);

CREATE TABLE role_grant (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  account_id UUID NOT NULL,
  role VARCHAR NOT NULL,
  unit_id UUID,
  state VARCHAR DEFAULT 'active' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT role_grant_in_institution UNIQUE (institution_id, id),
  CONSTRAINT role_grant_state CHECK (state in ('proposed', 'active', 'ended')),
  CONSTRAINT role_grant_account FOREIGN KEY(institution_id, account_id) REFERENCES account (institution_id, id),
  CONSTRAINT role_grant_unit FOREIGN KEY(institution_id, unit_id) REFERENCES unit (institution_id, id)
);
CREATE UNIQUE INDEX role_grant_once ON role_grant (account_id, role, coalesce(unit_id, account_id)) WHERE state <> 'ended';

CREATE TABLE saved_view (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  account_id UUID NOT NULL,
  list VARCHAR NOT NULL,
  label VARCHAR NOT NULL,
  query VARCHAR NOT NULL,
  opens BOOLEAN DEFAULT false NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT saved_view_label_once UNIQUE (account_id, list, label),
  CONSTRAINT saved_view_account FOREIGN KEY(institution_id, account_id) REFERENCES account (institution_id, id),
  CONSTRAINT saved_view_short CHECK (length(label) between 1 and 60 and length(query) between 1 and 1000)
);
CREATE UNIQUE INDEX saved_view_opens ON saved_view (account_id, list) WHERE opens;

CREATE TABLE draft (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  account_id UUID NOT NULL,
  form VARCHAR NOT NULL,
  sealed BYTEA NOT NULL,
  saved_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT draft_once UNIQUE (account_id, form),
  CONSTRAINT draft_account FOREIGN KEY(institution_id, account_id) REFERENCES account (institution_id, id),
  CONSTRAINT draft_form CHECK (length(form) <= 80)
);

CREATE TABLE editing (
  record UUID NOT NULL,
  account_id UUID NOT NULL,
  institution_id UUID NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (record, account_id),
  CONSTRAINT editing_account FOREIGN KEY(institution_id, account_id) REFERENCES account (institution_id, id)
);

CREATE TABLE grant_approval (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  grant_id UUID NOT NULL,
  approver_id UUID NOT NULL,
  approver_institution_id UUID NOT NULL,
  approved_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT grant_approval_once UNIQUE (grant_id, approver_id),
  CONSTRAINT grant_approval_grant FOREIGN KEY(institution_id, grant_id) REFERENCES role_grant (institution_id, id),
  FOREIGN KEY(approver_id) REFERENCES account (id),
  FOREIGN KEY(approver_institution_id) REFERENCES institution (id)
);

CREATE TABLE ledger_decision (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  kind VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  first_seq BIGINT,
  last_seq BIGINT,
  proposed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  proposed_by UUID NOT NULL,
  proposer_institution_id UUID NOT NULL,
  decided_at TIMESTAMP WITH TIME ZONE,
  decided_by UUID,
  decider_institution_id UUID,
  decision VARCHAR,
  carried_out_at TIMESTAMP WITH TIME ZONE,
  outcome VARCHAR,
  PRIMARY KEY (id),
  CONSTRAINT ledger_decision_reason CHECK (kind = 'generation' and reason in ('RESTORED', 'TAMPERED')
    or kind = 'recovery' and reason in ('FOLDER_LOST', 'KEY_LOST') or kind = 'purge' and reason = 'RETENTION'),
  CONSTRAINT ledger_decision_segment CHECK ((kind = 'purge') = (first_seq is not null and last_seq is not null)
    and first_seq >= 0 and last_seq >= first_seq),
  CONSTRAINT ledger_decision_decided CHECK ((decision is null) = (decided_by is null)
    and (decision is null) = (decided_at is null) and (decision is null) = (decider_institution_id is null)
    and decision in ('approved', 'rejected')),
  CONSTRAINT ledger_decision_by_two CHECK (decided_by <> proposed_by and decider_institution_id <> proposer_institution_id),
  CONSTRAINT ledger_decision_outcome CHECK ((carried_out_at is null) = (outcome is null)
    and (outcome is null or coalesce(decision = 'approved', false) and outcome in ('done', 'failed'))),
  FOREIGN KEY(institution_id) REFERENCES institution (id),
  FOREIGN KEY(proposed_by) REFERENCES account (id),
  FOREIGN KEY(proposer_institution_id) REFERENCES institution (id),
  FOREIGN KEY(decided_by) REFERENCES account (id),
  FOREIGN KEY(decider_institution_id) REFERENCES institution (id)
);
CREATE UNIQUE INDEX ledger_decision_open_once ON ledger_decision (institution_id, kind)
  WHERE carried_out_at is null and decision is distinct from 'rejected';

CREATE TABLE victim_profile (
  case_person_id UUID NOT NULL,
  trafficking_status VARCHAR NOT NULL,
  status_decision_maker VARCHAR,
  recruitment_methods VARCHAR[] DEFAULT '{}' NOT NULL,
  control_methods VARCHAR[] DEFAULT '{}' NOT NULL,
  age_when_trafficked INTEGER,
  relation_to_trafficker VARCHAR,
  sex_exploitation_enc BYTEA,
  health_enc BYTEA,
  needs_enc BYTEA,
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  institution_id UUID NOT NULL,
  unit_id UUID NOT NULL,
  deleted_at TIMESTAMP WITH TIME ZONE,
  deletion_reason VARCHAR,
  sensitivity SMALLINT DEFAULT 1 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created_by UUID,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated_by UUID,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT victim_profile_in_institution UNIQUE (institution_id, id),
  CONSTRAINT victim_profile_once UNIQUE (case_person_id),
  CONSTRAINT victim_profile_link FOREIGN KEY(institution_id, case_person_id) REFERENCES case_person (institution_id, id),
  CONSTRAINT victim_profile_unit FOREIGN KEY(institution_id, unit_id) REFERENCES unit (institution_id, id),
  CONSTRAINT victim_profile_age CHECK (age_when_trafficked between 0 and 120)
);

