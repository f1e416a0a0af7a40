-- One brand's schema. Run by the brand's owner role with search_path at the schema, once, at provisioning.
-- The schema is the brand: no table carries a brand column. See design notes on identity and durability for
-- what the columns mean; names are the product's public field names in snake case.

-- What the control plane projects. The instance may only read these.

create table brand_state (
    id             smallint primary key default 1 check (id = 1),
    brand_id       uuid not null,
    slug           text not null,
    status         text not null,
    status_reason  text,                                  -- why it is suspended
    settings       jsonb not null,
    limits         jsonb not null,
    token_keys     text[] not null default '{}',          -- of user tokens, in Base64URL; none: those of its start
    revision       bigint not null,
    schema_version integer not null,
    updated_at     timestamptz not null default now()
);

create table api_key (
    public_id   text primary key,
    hash        bytea not null,
    environment text not null,
    scopes      text[] not null,
    origins     text[] not null default '{}',             -- of a browser key; none: the brand's own
    events_per_second   integer,
    requests_per_second integer,
    expires_at  timestamptz,
    revoked_at  timestamptz
);

-- When keys were last used, as the instance writes now and then.
create table api_key_use (
    public_id    text primary key,
    last_used_at timestamptz not null
);

-- Whoever commits events holds this row. A process of an older generation finds no row, and is fenced.
create table writer_lease (
    id         smallint primary key default 1 check (id = 1),
    generation bigint not null
);

-- Events. The key makes an event's effects happen once; it outlives the event.

create table event_key (
    source   text collate "C" not null,
    key      text collate "C" not null,
    event_id uuid not null,
    primary key (source, key)
);

create table customer_raw_event (
    id                  uuid not null,
    created_at          timestamptz not null,             -- received; its millisecond is also the id's
    event_type          text not null,
    occurred_at         timestamptz not null,
    channel             text not null,
    source              text collate "C" not null,
    event_key           text collate "C" not null,
    payload             jsonb not null,                   -- {"identifiers": as sent, "properties": as sent}
    test                boolean not null default false,   -- kept and listed; neither folded nor counted
    placed_on           uuid,                             -- the identifier that placed it; kept for ever
    customer_profile_id uuid,                             -- the profile that identifier is in now
    stands_for          bigint,                           -- in a checkpoint: how many events, itself included
    position            bigint,                           -- in the feed; none in a checkpoint
    primary key (id, created_at)
) partition by range (created_at);

-- Ascending, so that what is new comes at the end and fills its pages; read backwards for the newest first.
create index customer_raw_event_created_at on customer_raw_event (created_at, id);
create index customer_raw_event_profile on customer_raw_event (customer_profile_id, occurred_at desc)
    where customer_profile_id is not null;
create index customer_raw_event_type on customer_raw_event (event_type, created_at);
create index customer_raw_event_position on customer_raw_event (position);
-- The versions of one order.
create index customer_raw_event_order on customer_raw_event (source, (payload #>> '{properties,orderId}'))
    where event_type = 'purchase';
create index customer_raw_event_placed_on on customer_raw_event (placed_on) where placed_on is not null;

-- The feed: events have positions without a gap, in the order of their commits, since whoever commits holds the
-- writer lease. Whoever reads on behind a position misses none.
create table event_feed (
    id       smallint primary key default 1 check (id = 1),
    position bigint not null default 0                    -- of the newest event
);
insert into event_feed default values;

-- Catches what no partition was made for, so that nothing is refused; rows in it are an alarm.
create table customer_raw_event_default partition of customer_raw_event default;

-- Makes the partitions of this month and of the `months` after it that are missing.
create function ensure_event_partitions(months integer) returns void language plpgsql as $$
declare
    first date;
begin
    for ahead in 0..months loop
        first := (date_trunc('month', now() at time zone 'UTC') + make_interval(months => ahead))::date;
        execute format(
            'create table if not exists %I partition of customer_raw_event for values from (%L) to (%L)',
            'customer_raw_event_' || to_char(first, 'YYYY_MM'),
            first || ' 00:00:00+00', (first + interval '1 month')::date || ' 00:00:00+00');
    end loop;
end
$$;
revoke execute on function ensure_event_partitions(integer) from public;
select ensure_event_partitions(12);

-- Retention. Events that were received before `received_before` are not kept as they were sent: the partition
-- of their month is a checkpoint, which has what folding them again needs, and nothing more.
create table fold_checkpoint (
    id              smallint primary key default 1 check (id = 1),
    received_before timestamptz not null default '-infinity',
    swept_before    timestamptz not null default '-infinity'  -- identifier_event names no event that is gone
);
insert into fold_checkpoint default values;

-- The months of receipt that end by `cutoff` and are not folded yet, the oldest first: those that have a
-- partition, and those whose events are in the default one.
create function months_to_fold(cutoff timestamptz)
    returns table (starts timestamptz, ends timestamptz, name text) language sql stable as $$
    select made.starts, made.ends, made.name
    from (
        select c.relname::text as name,
               (regexp_match(bounds, 'FROM \(''([^'']+)''\)'))[1]::timestamptz as starts,
               (regexp_match(bounds, 'TO \(''([^'']+)''\)'))[1]::timestamptz as ends
        from pg_inherits join pg_class c on c.oid = inhrelid
        cross join pg_get_expr(c.relpartbound, c.oid) as bounds
        where inhparent = 'customer_raw_event'::regclass
    ) as made
    where made.ends <= cutoff and made.starts >= (select received_before from fold_checkpoint)
    union all
    select month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC', null
    from (
        select distinct date_trunc('month', created_at at time zone 'UTC') as month
        from customer_raw_event_default
    ) as unforeseen
    where (month + interval '1 month') at time zone 'UTC' <= cutoff
    order by starts
$$;

-- What folding needs of the events that were received in a month.
-- - Time plays a part in where an event with weak identifiers is placed, and a later sign-in may change that:
--   each of them stays, without what it says besides. So does each purchase, refund and cancellation, of
--   which its order is made, and each event with so many strong identifiers that limits may look at its ties more than once.
-- - Others that carry the same, consent to the same and tie or don't do the same. Of each such group stay the first and the
--   last by the order of events, and the one that was received first, which gave new identifiers their ids;
--   the first stands for those that go.
-- - Events of test keys go.
create function checkpoint_of(first timestamptz, behind timestamptz)
    returns setof customer_raw_event language sql stable as $$
    with received as materialized (
        select e.*, payload -> 'identifiers' as carried, payload #> '{properties,consent}' as consent,
               event_type in ('purchase', 'refund', 'cancellation') as is_about_order,
               source <> 'browser' as ties,
               event_type in ('purchase', 'refund', 'cancellation')
                   or payload -> 'identifiers' ?| array['device_id', 'cookie_id', 'qr_id']
                   or (select count(*) from jsonb_object_keys(payload -> 'identifiers') as kind
                       where kind in ('phone', 'whatsapp', 'email', 'loyalty_id', 'upi_id')) > 3 as stays
        from customer_raw_event e where created_at >= first and created_at < behind and not test
    ), grouped as (
        select *,
               row_number() over (alike order by occurred_at, event_key, source) as nth,
               row_number() over (alike order by occurred_at desc, event_key desc, source desc) as nth_last,
               row_number() over (alike order by created_at, id) as nth_received,
               sum(coalesce(stands_for, 1)) over alike as events
        from received where not stays
        window alike as (partition by carried, consent, ties)
    ), chosen as (
        select *, count(*) over (partition by carried, consent, ties) as chosen
        from grouped where 1 in (nth, nth_last, nth_received)
    ), kept as (
        select id, created_at, 1::bigint as events from received where stays
        union all
        select id, created_at, case nth when 1 then events - chosen + 1 else 1 end from chosen
    )
    select id, created_at, case when is_about_order or event_type = 'sign_out' then event_type else 'custom' end,
           occurred_at, case when is_about_order then channel else '' end, source, event_key,
           jsonb_build_object('identifiers', carried, 'properties', coalesce(
               case when is_about_order then (
                   select jsonb_object_agg(key, value) from jsonb_each(payload -> 'properties')
                   where key in ('orderId', 'total', 'currency', 'version', 'updatedAt', 'items', 'refunded',
                                 'cancelled', 'amount', 'refundId', 'consent'))
               when consent is not null then jsonb_build_object('consent', consent) end, '{}')),
           test, placed_on, customer_profile_id, kept.events::bigint, null::bigint
    from received join kept using (id, created_at)
$$;

-- Makes the checkpoint of a month beside what it will replace. Gives how many events it was made of.
create function make_checkpoint(first timestamptz, behind timestamptz) returns bigint language plpgsql as $$
declare
    counted bigint;
begin
    drop table if exists customer_raw_event_checkpoint_next;
    -- Counted first: with what is committed meanwhile, the count is found to be too low.
    select count(*) into counted from customer_raw_event where created_at >= first and created_at < behind;
    create table customer_raw_event_checkpoint_next (like customer_raw_event including all);
    execute format(
        'alter table customer_raw_event_checkpoint_next add check (created_at >= %L and created_at < %L)',
        first, behind);
    insert into customer_raw_event_checkpoint_next select * from checkpoint_of(first, behind);
    analyze customer_raw_event_checkpoint_next;
    return counted;
end
$$;

-- Puts the checkpoint that was made in the place of the month's events, unless they are more than `counted`
-- by now. Holds the writer lease; what has been placed elsewhere meanwhile is placed there in it too.
create function adopt_checkpoint(first timestamptz, behind timestamptz, counted bigint) returns boolean
    language plpgsql as $$
declare
    month text;
begin
    perform from writer_lease for update;
    if counted <> (
        select count(*) from customer_raw_event where created_at >= first and created_at < behind)
    then
        return false;
    end if;
    update customer_raw_event_checkpoint_next n
    set placed_on = e.placed_on, customer_profile_id = e.customer_profile_id
    from customer_raw_event e
    where e.id = n.id and e.created_at = n.created_at and e.created_at >= first and e.created_at < behind
      and (e.placed_on, e.customer_profile_id) is distinct from (n.placed_on, n.customer_profile_id);
    -- Whoever reads events waits behind this lock, so it is not waited for long.
    perform set_config('lock_timeout', '2s', true);
    lock table only customer_raw_event in access exclusive mode;
    for month in select name from months_to_fold(behind) where starts = first and name is not null loop
        execute format('drop table %I', month);
    end loop;
    delete from customer_raw_event_default where created_at >= first and created_at < behind;
    execute format(
        'alter table customer_raw_event attach partition customer_raw_event_checkpoint_next'
            || ' for values from (%L) to (%L)', first, behind);
    execute format(
        'alter table customer_raw_event_checkpoint_next rename to %I',
        'customer_raw_event_' || to_char(first at time zone 'UTC', 'YYYY_MM'));
    update fold_checkpoint set received_before = greatest(received_before, behind);
    return true;
end
$$;

-- Takes away what finds the events that are gone, and what an interrupted run has left; gives how many rows
-- the former were.
create function sweep_behind_checkpoint() returns bigint language plpgsql as $$
declare
    swept bigint;
begin
    drop table if exists customer_raw_event_checkpoint_next;
    if not exists (select from fold_checkpoint where swept_before < received_before) then
        return 0;
    end if;
    delete from identifier_event c using fold_checkpoint f
    where c.created_at >= f.swept_before and c.created_at < f.received_before
      and not exists (
          select from customer_raw_event e where e.id = c.event_id and e.created_at = c.created_at);
    get diagnostics swept = row_count;
    update fold_checkpoint set swept_before = received_before;
    return swept;
end
$$;
revoke execute on function months_to_fold(timestamptz), checkpoint_of(timestamptz, timestamptz),
    make_checkpoint(timestamptz, timestamptz), adopt_checkpoint(timestamptz, timestamptz, bigint),
    sweep_behind_checkpoint() from public;

-- Identity.

create table customer_identifier (
    id            uuid primary key,
    kind          text not null check (kind in
        ('phone', 'email', 'loyalty_id', 'upi_id', 'device_id', 'cookie_id', 'qr_id', 'card_last4')),
    value         text collate "C" not null,              -- normalised
    profile_id    uuid,                                   -- the profile it is in; null when it places nothing
    flag          text check (flag in ('blocked', 'shared')),  -- by the newest decision about the value
    first_seen_at timestamptz not null,
    unique (kind, value)
);
create index customer_identifier_profile on customer_identifier (profile_id) where profile_id is not null;
create index customer_identifier_flag on customer_identifier (flag) where flag is not null;

-- Which events carry an identifier that they are not placed on: strong ones, and weak ones of events without
-- any strong one. (Rows may outlive a move of the event to the identifier.)
create table identifier_event (
    identifier_id uuid not null,
    event_id      uuid not null,
    created_at    timestamptz not null,                   -- the event's, which finds its partition
    primary key (identifier_id, event_id)
);

-- Sign-ins and sign-outs on weak identifiers, in the order of events: who owns them when.
create table identifier_sign_in (
    identifier_id uuid not null,                          -- the weak one
    occurred_at   timestamptz not null,
    event_key     text collate "C" not null,
    source        text collate "C" not null,
    owner_id      uuid,                                   -- the strong one; null for a sign-out
    primary key (identifier_id, occurred_at, event_key, source)
);

-- Whoever has ever signed in on a weak identifier.
create table identifier_owner (
    identifier_id uuid not null,
    owner_id      uuid not null,
    primary key (identifier_id, owner_id)
);
create index identifier_owner_owner on identifier_owner (owner_id);

-- What people and limits have decided. Appended to, never changed.
create table identity_decision (
    sequence   bigint generated always as identity primary key,
    kind       text not null check (kind in
        ('hold', 'reject', 'approve', 'merge', 'unmerge', 'never', 'allow', 'block', 'unblock', 'share', 'unshare')),
    left_ids   uuid[] not null,                           -- pairs with right_ids by place, or one of two sets
    right_ids  uuid[] not null default '{}',
    by_limit   boolean not null,
    actor      text not null,                             -- who; the limit's name when it was one
    reason     text not null,
    created_at timestamptz not null default now()
);

create index identity_decision_left on identity_decision using gin (left_ids);
create index identity_decision_right on identity_decision using gin (right_ids);

-- Every pair of strong identifiers that an event has tied or a merge has made.
create table identity_pair (
    low_id      uuid not null,
    high_id     uuid not null check (low_id < high_id),
    state       text not null check (state in ('in_force', 'held', 'out')),  -- what the log says, flags aside
    hold        bigint,                                   -- the decision that holds it
    tied        boolean not null,                         -- by an event; else by a merge alone
    primary key (low_id, high_id)
);
create index identity_pair_high on identity_pair (high_id);
create index identity_pair_hold on identity_pair (hold) where state = 'held';

-- Pairs that must not come into one profile: each pair across the sets of a `never` that stands.
create table identity_never (
    low_id  uuid not null,
    high_id uuid not null check (low_id < high_id),
    primary key (low_id, high_id)
);
create index identity_never_high on identity_never (high_id);

-- Consent belongs to the identifier that it was given for.
create table consent (
    identifier_id uuid not null,
    channel       text collate "C" not null,              -- the kind of identifier, as it was sent
    purpose       text collate "C" not null,
    granted       boolean not null,
    occurred_at   timestamptz not null,
    primary key (identifier_id, channel, purpose)
);

-- What happened to profiles, and why.
create table merge_history (
    id                uuid primary key,
    action            text not null check (action in ('merge', 'unmerge')),
    base_profile_id   uuid not null,                      -- the one that keeps its id
    merged_profile_id uuid not null,                      -- the one that came into it, or left it
    reason            text not null,
    actor             text not null,
    before_snapshot   jsonb not null,
    after_snapshot    jsonb not null,
    created_at        timestamptz not null
);
create index merge_history_base on merge_history (base_profile_id, created_at desc);
create index merge_history_merged on merge_history (merged_profile_id, created_at desc);

-- What limits have held and nobody has decided yet: a row for a set of profiles, or for a value.
create table manual_merge_queue (
    id            uuid primary key,
    profile_ids   jsonb not null,                         -- sorted
    identifier_id uuid,                                   -- the value that is in question in many rows
    low_ids       uuid[] not null,                        -- the pairs that are held
    high_ids      uuid[] not null,
    events        bigint not null,                        -- that carry one of the pairs
    reason        text not null,
    status        text not null check (status in ('pending', 'approved', 'rejected', 'merged')),
    created_at    timestamptz not null,
    updated_at    timestamptz not null
);
-- By the sum of the profiles, of which a row about a value may have more than an index can hold.
create unique index manual_merge_queue_pending on manual_merge_queue (md5(profile_ids::text), identifier_id)
    nulls not distinct where status = 'pending';
create index manual_merge_queue_status on manual_merge_queue (status, created_at desc, id desc);

create table customer_profile (
    id               uuid primary key,                    -- the smallest id of its identifiers
    identifiers      jsonb not null default '{}',         -- {"email": ["a@b.com"], …}
    profile_strength integer not null default 0 check (profile_strength between 0 and 100),
    lifetime_value   numeric(38, 4) not null default 0,   -- in the brand's currency
    total_orders     integer not null default 0,
    first_seen_at    timestamptz,
    last_seen_at     timestamptz,
    created_at       timestamptz not null,
    updated_at       timestamptz not null
);
create index customer_profile_strength on customer_profile (profile_strength);
create index customer_profile_last_seen on customer_profile (last_seen_at desc, id desc);

-- Orders: one row per order of a source, the newest version's.

-- How versions of one order compare, field by field: a number before a text, a missing one oldest, then the
-- order of events.
create type order_version as (
    kind        smallint,                                 -- 0 missing, 1 number, 2 text
    number      numeric,
    label       text collate "C",
    occurred_at timestamptz,
    event_key   text collate "C"
);

-- What one unit of a currency was worth in the brand's own, by the day in UTC.
create table currency_rate (
    currency   text not null,
    day        date not null,
    rate       numeric(20, 10) check (rate > 0),          -- null when it was taken back
    updated_at timestamptz not null default now(),
    primary key (currency, day)
);

-- The rate at which what happened at `at` counts: 1 in the brand's `own` currency, else that of its day or of
-- the newest of the six days before, since banks publish none on days off; null when there is none.
create function rate_on(currency text, at timestamptz, own text) returns numeric language sql stable as $$
    select case when $1 = $3 then 1 else (
        select r.rate from currency_rate r
        where r.currency = $1 and r.rate is not null
          and r.day between ($2 at time zone 'UTC')::date - 6 and ($2 at time zone 'UTC')::date
        order by r.day desc limit 1) end
$$;
revoke execute on function rate_on(text, timestamptz, text) from public;

-- Refunds and cancellations that came as events of their own, maybe before their order: the newest version
-- of each.
create table order_adjustment (
    source        text collate "C" not null,
    order_id      text collate "C" not null,              -- the seller's
    kind          text not null check (kind in ('refund', 'cancellation')),
    known_by      text not null check (known_by in ('refund', 'event')),
    adjustment_id text collate "C" not null,              -- the seller's, or the event's key
    version       order_version not null,
    event_id      uuid not null,                          -- the event that brought this version
    amount        numeric(18, 4) not null,                -- of a refund; else nothing
    currency      text,                                   -- the order's when null
    adjusted_at   timestamptz not null,
    primary key (source, order_id, kind, known_by, adjustment_id)
);

create table customer_order (
    id            uuid primary key,
    source        text collate "C" not null,
    known_by      text not null check (known_by in ('order', 'event')),
    order_id      text collate "C" not null,              -- the seller's, or the event's key where there is none
    version       order_version not null,
    event_id      uuid not null,                          -- the event that brought this version
    ordered_at    timestamptz not null,                   -- when its earliest version happened
    channel       text not null,
    total         numeric(18, 4) not null,                -- what was paid
    currency      text not null,
    items         jsonb,
    stated_refunded  numeric(18, 4),                      -- by this version, where it says so
    stated_cancelled boolean,
    event_refunded   numeric(38, 4) not null,             -- by refunds in the order's currency
    event_cancelled  boolean not null,
    rate          numeric(20, 10),                        -- into the brand's currency; null when there is none
    refunded      numeric(38, 4) not null
        generated always as (coalesce(stated_refunded, event_refunded)) stored,
    is_cancelled  boolean not null generated always as (coalesce(stated_cancelled, event_cancelled)) stored,
    value         numeric(38, 4) not null                 -- what counts, in its currency
        generated always as (
            case when coalesce(stated_cancelled, event_cancelled) then 0
                 else total - coalesce(stated_refunded, event_refunded) end) stored,
    brand_value   numeric(38, 4)                          -- and in the brand's
        generated always as (
            round(rate * case when coalesce(stated_cancelled, event_cancelled) then 0
                              else total - coalesce(stated_refunded, event_refunded) end, 4)) stored,
    place_version order_version,                          -- the newest version that has a place
    placed_on     uuid,
    profile_id    uuid,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    unique (source, known_by, order_id)
);
create index customer_order_profile on customer_order (profile_id, ordered_at desc) where profile_id is not null;
create index customer_order_placed_on on customer_order (placed_on) where placed_on is not null;
create index customer_order_ordered_at on customer_order (ordered_at, id);
create index customer_order_without_rate on customer_order (ordered_at, id)
    where rate is null and not is_cancelled;

-- What the brand sells, and how much of it each store has. A row is as the newest of those who have set it
-- says, whatever the order in which they come.

create table product (
    product_id  text collate "C" primary key,             -- the brand's own, as events name it
    name        text not null,
    description text,
    category    text,
    subcategory text,
    price       numeric(18, 4) check (price >= 0),
    currency    text not null,
    metadata    jsonb check (jsonb_typeof(metadata) = 'object'),
    active      boolean not null default true,
    set_at      timestamptz not null,                     -- as of when it was last set, be it to the same
    created_at  timestamptz not null,
    updated_at  timestamptz not null                      -- as of when it was last another
);
create index product_category on product (category, product_id);
create index product_active on product (active, product_id);

create table inventory (
    product_id        text collate "C" not null references product (product_id) on delete restrict,
    store_id          text collate "C" not null,
    store_name        text,
    quantity          integer not null,                   -- below zero where more was sold than booked in
    reserved_quantity integer not null default 0 check (reserved_quantity >= 0),
    reorder_point     integer check (reorder_point >= 0),
    max_stock         integer check (max_stock >= 0),
    last_updated      timestamptz not null,               -- as of when it was last set, be it to the same
    created_at        timestamptz not null,
    updated_at        timestamptz not null,               -- as of when it was last another
    primary key (product_id, store_id)
);
create index inventory_store on inventory (store_id, product_id);

-- Totals, kept in the transaction that changes them, so that reading them costs the same at any size.

create table brand_totals (
    id       smallint primary key default 1 check (id = 1),
    events   bigint not null default 0,
    profiles bigint not null default 0
);
insert into brand_totals default values;

create table order_totals (
    currency     text primary key,
    orders       bigint not null default 0,               -- that are not cancelled
    revenue      numeric(38, 4) not null default 0,
    converted    numeric(38, 4) not null default 0,       -- what of it has a rate, in the brand's currency
    without_rate bigint not null default 0                -- orders that have none
);

-- How many events were received in each quarter of an hour, kept in the transaction that commits them: what
-- a plan's month is measured by. The months of any time zone are made of whole quarters.
create table event_meter (
    quarter     timestamptz primary key,
    events      bigint not null,
    test_events bigint not null
);

-- What was used in the month of `zone` that `at` lies in.
create function month_usage(
    at timestamptz, zone text, out month_start timestamptz, out month_end timestamptz, out events bigint,
    out test_events bigint
) language sql stable as $$
    with month as (select date_trunc('month', at at time zone zone) as first),
    span as (
        select first at time zone zone as start, (first + interval '1 month') at time zone zone as stop
        from month
    )
    select start, stop, coalesce(sum(m.events), 0)::bigint, coalesce(sum(m.test_events), 0)::bigint
    from span left join event_meter m on m.quarter >= start and m.quarter < stop
    group by start, stop
$$;
revoke execute on function month_usage(timestamptz, text) from public;

-- The instance's own long work.

create table operation (
    id         uuid primary key,
    kind       text not null,
    subject    text not null,
    state      text not null check (state in ('pending', 'running', 'done', 'failed', 'cancelled')),
    input      jsonb not null,
    progress   jsonb,
    counts     jsonb,
    result     jsonb,                                     -- what the finished work has found
    error      text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index operation_open on operation (created_at) where state in ('pending', 'running');
create index operation_created_at on operation (created_at desc, id desc);
-- One re-fold at a time.
create unique index operation_refold on operation (kind)
    where kind = 'identity.refold' and state in ('pending', 'running');

-- Rows of an imported file that were not taken: so many as a report of them has. All are counted.
create table import_rejection (
    operation_id uuid not null references operation (id) on delete cascade,
    row_number   bigint not null,
    reason       text not null,
    fields       jsonb not null,                          -- what stands in the row, column by column
    primary key (operation_id, row_number)
);

-- Files that are sent in pieces, until an import takes them.
create table upload (
    id         uuid primary key,
    length     bigint not null,
    received   bigint not null,                           -- bytes that are durable
    metadata   jsonb not null,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index upload_created_at on upload (created_at desc, id desc);
