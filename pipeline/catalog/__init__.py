"""The catalog: the durable record of documents, jobs and work, in SQLite or PostgreSQL.

Functions here take an open connection first and never commit: who calls them draws the transaction.
"""
