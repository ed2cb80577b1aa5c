DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 3', current_database()); END $$;
-- session:
SELECT 1;
-- session:
SELECT 2;
