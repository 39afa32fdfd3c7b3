-- How often the password was set: what was proven with one counts only while it is still that one.
alter table users add column password_revision integer not null default 0;
