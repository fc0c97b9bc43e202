-- Why this flag changed, where one write has different reasons for its flags; NULL: the write's own reason.
ALTER TABLE flag_changes ADD COLUMN reason TEXT;
