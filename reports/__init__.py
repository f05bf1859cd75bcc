"""Reports: tables, figures and one HTML page, made from records alone."""
