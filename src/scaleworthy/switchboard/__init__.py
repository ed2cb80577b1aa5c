"""The reference backend: a multi-tenant voice and CRM service in two shapes, and the load to put on it."""
