-- 👍 and 👎 in the web chat. What people think is feedback, kept with the turn as everywhere (0018_feedback.sql); the mailbox
-- only keeps which button is pressed, so that a visitor's other tabs and the next visit show it.

alter table konstruct.mailbox_messages
  -- An answer or a part of one; notices and placeholders are none, and nobody rates them.
  add column is_answer boolean not null default false,
  add column rating text check (rating in ('up', 'down'));
