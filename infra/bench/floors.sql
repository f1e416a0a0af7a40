-- Two floors on the same server and settings, in a schema of their own with the tenant's tables and indexes.
-- psql variables: rows, batch. Run as the cluster's owner, with search_path at that schema.

\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned

create temporary table sample as
select gen_random_uuid() as id, now() as created_at,
       case when n % 4 = 0 then 'purchase' else 'page_view' end as event_type,
       timestamptz '2026-01-31 10:00:00+00' as occurred_at, 'web' as channel, 'api' as source,
       'floor-' || n as event_key,
       jsonb_build_object(
           'identifiers', jsonb_build_object('email', 'customer' || c || '@example.com', 'phone', '+1303' || c),
           'properties', jsonb_build_object('page', '/p/' || n % 1000, 'referrer', 'https://www.example.com/spring'))
           as payload,
       false as test, gen_random_uuid() as placed_on, gen_random_uuid() as customer_profile_id,
       'customer' || c || '@example.com' as email, '+1303' || lpad(c::text, 7, '0') as phone, n
from (select n, floor(random() * 60000)::int as c from generate_series(1, :rows) as n) as numbered;
create index on sample (n);
analyze sample;

copy (select id, created_at, event_type, occurred_at, channel, source, event_key, payload, test, placed_on,
             customer_profile_id from sample) to :'copyfile' (format binary);

select extract(epoch from clock_timestamp()) as begun \gset
copy customer_raw_event (id, created_at, event_type, occurred_at, channel, source, event_key, payload, test,
                         placed_on, customer_profile_id) from :'copyfile' (format binary);
select 'copy ' || round(:rows / (extract(epoch from clock_timestamp()) - :begun));

truncate customer_raw_event;

-- Resolve, insert, update: what any design must do for a batch, with nothing around it.
create procedure resolve_insert_update(total integer, batch integer) language plpgsql as $$
declare
    first integer;
begin
    for first in select generate_series(1, total, batch) loop
        insert into event_key (source, key, event_id)
        select source, event_key, id from sample where n >= first and n < first + batch
        on conflict do nothing;

        insert into customer_identifier (id, kind, value, profile_id, first_seen_at)
        select gen_random_uuid(), kind, value, null, now()
        from sample, lateral (values ('email', email), ('phone', phone)) as sent (kind, value)
        where n >= first and n < first + batch
        on conflict (kind, value) do nothing;

        insert into customer_profile (id, created_at, updated_at)
        select i.id, now(), now() from sample s join customer_identifier i on i.kind = 'phone' and i.value = s.phone
        where s.n >= first and s.n < first + batch and i.profile_id is null
        on conflict do nothing;

        update customer_identifier set profile_id = customer_identifier.id
        from sample s where s.n >= first and s.n < first + batch and profile_id is null
          and customer_identifier.kind = 'phone' and customer_identifier.value = s.phone;

        insert into customer_raw_event
        select s.id, s.created_at, s.event_type, s.occurred_at, s.channel, s.source, s.event_key, s.payload, s.test,
               i.id, i.profile_id
        from sample s join customer_identifier i on i.kind = 'phone' and i.value = s.phone
        where s.n >= first and s.n < first + batch;

        update customer_profile p set last_seen_at = greatest(p.last_seen_at, s.occurred_at), updated_at = now()
        from sample s join customer_identifier i on i.kind = 'phone' and i.value = s.phone
        where p.id = i.profile_id and s.n >= first and s.n < first + batch;

        update brand_totals set events = events + batch;
        commit;
    end loop;
end
$$;

-- The tables begin empty, and a plan that is kept from then would read them whole.
set plan_cache_mode = force_custom_plan;
set statement_timeout = '120s';

select extract(epoch from clock_timestamp()) as begun \gset
call resolve_insert_update(:rows, :batch);
select 'sets ' || round(:rows / (extract(epoch from clock_timestamp()) - :begun));
