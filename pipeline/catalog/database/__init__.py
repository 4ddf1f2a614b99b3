"""The database under the catalog: connections, tables, the order of writers, statements over many rows."""
