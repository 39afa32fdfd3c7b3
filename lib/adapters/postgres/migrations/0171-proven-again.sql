-- When how a session began was last proven: null where that was signing in.
alter table sessions add column proven_at timestamptz;
