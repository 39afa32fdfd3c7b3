-- As in 0130, and stable: what subtracts an interval from an instant is, and a function that says it is
-- more than what it is made of is called for each row instead of being written into the statement. Measured:
-- of 50 starts in one statement a tenth of its time.
create or replace function start_turn(p_at timestamptz, p_priority smallint) returns timestamptz
  language sql stable parallel safe
  as $$ select p_at - coalesce(p_priority, 0) * 300 * interval '1 second' $$;
