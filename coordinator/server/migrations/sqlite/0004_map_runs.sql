-- The executions of a Map Run, by its ARN.
ALTER TABLE executions ADD COLUMN map_run TEXT;
CREATE INDEX executions_map_run_page ON executions (map_run, started_at, id) WHERE map_run IS NOT NULL;
