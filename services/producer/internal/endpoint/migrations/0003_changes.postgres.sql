-- A trigger, so that no change can be forgotten. It counts in the transaction that changes the endpoints, and so becomes
-- visible together with what it counts.

CREATE FUNCTION count_endpoint_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE endpoint_changes SET n = n + 1;
  RETURN NULL;
END $$;
CREATE TRIGGER endpoint_changed AFTER INSERT OR UPDATE OR DELETE ON endpoints
  FOR EACH STATEMENT EXECUTE FUNCTION count_endpoint_change();
