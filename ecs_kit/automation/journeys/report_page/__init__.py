"""A run at a glance, as one HTML page: `gather` writes its file, `live` shows it while the run is active."""
