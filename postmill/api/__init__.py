"""HTTP in, HTTP out: one file a resource, OpenAPI from the handlers."""
