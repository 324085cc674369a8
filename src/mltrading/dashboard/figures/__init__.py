"""Pure functions from answers of the services to plotly figures, as plain dicts and lists."""
