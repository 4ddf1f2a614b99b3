"""Mails, mailboxes and saved pages (MHTML)."""
