"""A run at a glance, as one HTML page: `gather` reads, `data` makes the page's data, `page` the page itself."""
