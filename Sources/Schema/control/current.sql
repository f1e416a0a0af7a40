-- The control plane's own database. Times are the daemon's, passed in, so that a test can choose them.

create table schema_version (
    id smallint primary key default 1 check (id = 1),
    version integer not null
);

create table plan (
    name text primary key,
    -- What a brand of this plan is once it is provisioned.
    initial_status text not null check (initial_status in ('trial', 'active')),
    -- How long a trial lasts; for ever when null.
    trial_days integer check (trial_days > 0),
    limits jsonb not null,
    -- Rises with every change.
    version integer not null default 1,
    -- Changed by hand: a new release leaves it as it is.
    is_edited boolean not null default false
);

-- Slugs of brands whose data is gone: none is ever used again.
create table retired_slug (
    slug text primary key,
    brand_id uuid not null unique,
    retired_at timestamptz not null
);

create table brand (
    id uuid primary key,
    slug text not null unique,
    name text not null,
    domain text,
    industry text,
    -- Since when it is in that industry, or in none.
    industry_since timestamptz not null,
    country text not null,
    time_zone text not null,
    currency text not null,
    plan text not null references plan (name),
    status text not null check (status in ('provisioning', 'trial', 'active', 'suspended', 'deleted')),
    -- Why it is suspended, and what it is again when it is resumed.
    status_reason text,
    resumes_as text check (resumes_as in ('trial', 'active')),
    check ((status = 'suspended') <= (resumes_as is not null)),
    -- When its trial ends; kept when it is on trial no more, since there is one for a brand.
    trial_ends_at timestamptz,
    -- What a deleted brand was, and is again when it is undeleted.
    status_before text check (status_before in ('trial', 'active', 'suspended')),
    -- When a deleted brand's data goes for good.
    purge_after timestamptz,
    check ((status = 'deleted') = (purge_after is not null and status_before is not null)),
    -- The PostgreSQL cluster that holds the brand's schema.
    cluster text not null default 'main',
    instance_id text unique,
    instance_config jsonb,
    -- What else describes it, less what has a column; the version rises with every change of any of it.
    settings jsonb not null default '{}',
    settings_version bigint not null default 1,
    onboarding_state jsonb,
    onboarding_completed boolean not null default false,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    last_activity_at timestamptz
);
create index brand_status on brand (status);
create index brand_trial_ends_at on brand (trial_ends_at) where status = 'trial';
create index brand_purge_after on brand (purge_after) where purge_after is not null;

-- Every change of a brand's settings. One that was taken back is none.
create table brand_settings_version (
    brand_id uuid not null references brand (id) on delete cascade,
    -- The version that it made.
    version bigint not null,
    at timestamptz not null,
    actor text not null,
    operation_id uuid not null,
    before jsonb not null,
    after jsonb not null,
    primary key (brand_id, version)
);

-- What is meant to run for a brand. What does run is the supervisor's to say.
create table instance (
    brand_id uuid primary key references brand (id) on delete cascade,
    intent text not null check (intent in ('running', 'stopped')),
    -- Which placement of the brand may write.
    generation bigint not null check (generation > 0),
    -- Rises with every change of what is projected into the brand's schema.
    revision bigint not null check (revision > 0),
    sealed_postgres_password text not null,
    sealed_redis_password text not null,
    -- The release that serves the brand, and the one before it; null for the daemon's own.
    release text,
    previous_release text,
    -- Why the reconciler leaves the brand alone; null when it does not.
    paused_reason text,
    updated_at timestamptz not null
);

-- What was last seen of an instance and how reconciling it goes. Never what is meant.
create table observation (
    brand_id uuid primary key references brand (id) on delete cascade,
    -- The supervisor's word for it.
    state text not null,
    pid integer,
    restarts integer not null default 0,
    projected_revision bigint not null default 0,
    -- Failed passes in a row, why the last one failed, and until when the brand is left alone for it.
    failures integer not null default 0,
    error text,
    quarantined_until timestamptz,
    observed_at timestamptz not null
);

create table api_key (
    public_id text primary key check (public_id ~ '^[0-9A-Za-z]{12}$'),
    brand_id uuid not null references brand (id) on delete cascade,
    name text not null,
    environment text not null check (environment in ('live', 'test', 'browser')),
    scopes text[] not null,
    -- The sites whose pages may use a browser key; none: those of the brand's settings.
    origins text[] not null default '{}',
    -- What the key may do in a second, where that is less than the plan allows.
    events_per_second integer check (events_per_second > 0),
    requests_per_second integer check (requests_per_second > 0),
    -- The key that this one has replaced.
    replaces text unique references api_key (public_id),
    -- SHA-256 of the whole key.
    hash bytea not null check (octet_length(hash) = 32),
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz
);
create index api_key_brand on api_key (brand_id, public_id);

create table "user" (
    id uuid primary key,
    -- In lower case.
    email text not null unique check (email = lower(email)),
    password_hash text not null,
    role text not null check (role in ('admin', 'operator', 'brand_owner', 'brand_user')),
    brand_id uuid references brand (id) on delete cascade,
    email_verified boolean not null default false,
    last_login timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check ((role in ('brand_owner', 'brand_user')) = (brand_id is not null))
);
create index user_brand_id on "user" (brand_id);
create index user_role on "user" (role);

create table refresh_token (
    -- SHA-256 of the token.
    hash bytea primary key check (octet_length(hash) = 32),
    -- One login's chain of tokens: when a used one comes back, all of the family end.
    family uuid not null,
    user_id uuid not null references "user" (id) on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index refresh_token_family on refresh_token (family);
create index refresh_token_user on refresh_token (user_id);
create index refresh_token_expires_at on refresh_token (expires_at);

create table operation (
    id uuid primary key,
    kind text not null,
    subject text not null,
    state text not null
        check (state in ('pending', 'running', 'unwinding', 'done', 'failed', 'stuck', 'cancelled')),
    input jsonb not null,
    step text,
    error text,
    runbook text not null,
    -- Whether it is being taken back, or was when it got stuck.
    is_unwinding boolean not null default false,
    requested_by text not null,
    -- The daemon that works on it, or did last.
    held_by text,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
-- One operation at a time changes a subject; a stuck one holds it until a person has looked.
create unique index operation_one_per_subject on operation (subject)
    where state in ('pending', 'running', 'unwinding', 'stuck');
create index operation_subject on operation (subject, id);
create index operation_unfinished on operation (id) where state in ('pending', 'running', 'unwinding');

-- The plan of an operation, made with it, and how far it has come.
create table operation_step (
    operation_id uuid not null references operation (id) on delete cascade,
    ordinal integer not null,
    name text not null,
    version integer not null,
    -- Whether it can be taken back, by the release that planned it.
    is_reversible boolean not null,
    state text not null check (state in ('pending', 'running', 'done', 'undoing', 'undone')),
    -- How often it was begun, in either direction.
    attempts integer not null default 0,
    output jsonb,
    error text,
    -- How far it has come, for people.
    progress text,
    updated_at timestamptz not null,
    primary key (operation_id, ordinal),
    unique (operation_id, name)
);

create table idempotency_key (
    principal text not null,
    key text not null,
    -- A keyed hash of method, path, query and body.
    request_hash bytea not null check (octet_length(request_hash) = 32),
    -- The answer, less any secret.
    answer jsonb not null,
    created_at timestamptz not null,
    primary key (principal, key)
);
create index idempotency_key_created_at on idempotency_key (created_at);

-- Who did what, from where, with what result. Rows are only ever added.
create table audit_log (
    id uuid primary key,
    at timestamptz not null,
    -- `local`, `user <id>`, `nobody`, or `constinteld` for what the daemon does by itself.
    actor text not null,
    -- The client's address, `unknown`, or `operator socket`.
    origin text not null,
    -- `POST /api/admin/brands`, or an operation's kind.
    action text not null,
    -- The brand's slug, where it is about one.
    subject text,
    -- `begun`, then the status that was answered; an operation's final state.
    outcome text not null,
    -- The row that this one is the outcome of.
    begun_by uuid,
    operation_id uuid,
    request_id text,
    detail text
);
create index audit_log_subject on audit_log (subject, id);
create index audit_log_actor on audit_log (actor, id);
create index audit_log_begun_by on audit_log (begun_by) where begun_by is not null;

create function refuse_rewriting() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to' using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete or truncate on audit_log
    for each statement execute function refuse_rewriting();

-- What became of the last run of each job that is done again and again.
create table job_run (
    name text primary key,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    -- How many of what it has dealt with.
    counts jsonb not null,
    error text
);

-- What each brand came to on each day of its own time zone. Figures without a source yet are null; what each
-- is, the catalogue `BrandMetric` says.
create table brand_metrics (
    id uuid primary key,
    brand_id uuid not null references brand (id) on delete cascade,
    date date not null,
    -- What the amounts are in: the brand's when they were computed.
    currency text not null,
    revenue numeric(28, 4) not null,
    revenue_growth double precision,
    mrr numeric(28, 4),
    customer_count bigint not null,
    new_customers bigint not null,
    churn_rate double precision,
    order_count bigint not null,
    order_value numeric(28, 4) not null,
    avg_order_value numeric(28, 4),
    engagement_score double precision,
    active_customers bigint not null,
    retention_rate double precision,
    ml_impact_score double precision,
    churn_reduction double precision,
    ltv_increase double precision,
    usage_score double precision,
    api_calls bigint,
    features_used jsonb,
    performance_score double precision,
    trend text,
    previous_score double precision,
    -- The orders that `order_value` is the value of: those in `currency`.
    priced_orders bigint not null,
    other_currencies jsonb not null,
    computed_at timestamptz not null,
    unique (brand_id, date)
);
create index brand_metrics_date on brand_metrics (date desc, id desc);
create index brand_metrics_performance_score on brand_metrics (performance_score);

-- The same for charts: one truth under two names.
create view brand_metrics_history as
    select id, brand_id, date, revenue, customer_count, order_count, performance_score, trend, computed_at
    from brand_metrics;

-- How far a brand's metrics have come, and what they were computed from.
create table brand_metrics_run (
    brand_id uuid primary key references brand (id) on delete cascade,
    -- The last day that was computed.
    through date not null,
    time_zone text not null,
    currency text not null,
    -- The events that counted then, and when the newest event had been received.
    events bigint not null,
    received_through timestamptz,
    -- When the brand's schema was read, by that database's clock.
    read_at timestamptz not null
);

-- What was said of a market for a month, once and for all: percentiles, or that nothing is said. The cohort
-- is no brand's to see, and outlives its brands: later ones are held against it.
create table market_publication (
    industry text not null,
    currency text not null,
    month date not null check (extract(day from month) = 1),
    cohort uuid[] not null,
    -- Null when it was withheld.
    figures jsonb,
    published_at timestamptz not null,
    primary key (industry, currency, month)
);
create index market_publication_month on market_publication (month desc, industry, currency);

-- Backups that were written to their end, as their repositories have them.
create table backup (
    -- The operation that wrote it.
    id uuid primary key,
    -- Null for the control plane's own.
    brand_id uuid references brand (id) on delete cascade,
    -- What the repository calls it.
    snapshot text not null unique,
    -- When its view of the brand began, and when it was written.
    taken_at timestamptz not null,
    written_at timestamptz not null,
    rows bigint not null,
    -- Of the archive, and what the repository had to add for it.
    bytes bigint not null,
    added_bytes bigint not null,
    -- The hash of its manifest, by which a restore knows that it has this one.
    manifest_hash text not null,
    totals jsonb not null
);
create index backup_brand on backup (brand_id, taken_at desc, id desc);

-- What became of the drills: each has restored a backup and compared it with what was written. A receipt
-- outlives its backup.
create table backup_receipt (
    -- The operation of the drill.
    id uuid primary key,
    brand_id uuid not null references brand (id) on delete cascade,
    backup_id uuid not null,
    at timestamptz not null,
    is_passed boolean not null,
    -- Why it was not.
    failure text,
    -- What was compared, as JSON, and the signature of that text by the installation's receipt key.
    statement text not null,
    signature bytea not null
);
create index backup_receipt_brand on backup_receipt (brand_id, at desc, id desc);

-- Schemas that another has taken the place of, kept for a grace period.
create table former_schema (
    name text primary key,
    brand_id uuid not null references brand (id) on delete cascade,
    -- The operation that put it aside.
    operation_id uuid not null,
    reason text not null,
    since timestamptz not null,
    keep_until timestamptz not null
);
create index former_schema_brand on former_schema (brand_id, since desc);
create index former_schema_keep_until on former_schema (keep_until);

-- Which daemon leads. Its term rises with every change of the leader.
create table leadership (
    id smallint primary key default 1 check (id = 1),
    term bigint not null,
    holder text not null,
    since timestamptz not null
);
insert into leadership (term, holder, since) values (0, 'nobody', now());

-- Refuses a write under another term than the present one, which is what a daemon's connections carry as
-- `constintel.term`. The share lock makes a new leader wait for the old one's transactions.
create function require_term() returns trigger language plpgsql as $$
begin
    perform from leadership
    where term = nullif(current_setting('constintel.term', true), '')::bigint for share;
    if not found then
        raise exception 'this daemon does not lead' using errcode = 'CI001';
    end if;
    return null;
end $$;

do $$
declare
    name text;
begin
    for name in
        select tablename from pg_tables
        where schemaname = 'public' and tablename not in ('schema_version', 'leadership')
    loop
        execute format(
            'create trigger leader_only before insert or update or delete or truncate on %I
                for each statement execute function require_term()', name);
    end loop;
end $$;
