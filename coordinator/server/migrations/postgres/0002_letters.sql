-- An event that is for one execution is that one's next input; its routing key is empty.
ALTER TABLE events ADD COLUMN recipient uuid;
