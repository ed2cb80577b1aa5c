DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''1TB''', current_database()); END $$;
