"""Notifications that a job has ended, sent from an outbox in the catalog.

`delivery` claims what is due and tries it until it is accepted or given up; a sender knows how a notification
travels. `base` has the contract of senders, `registry` the list of them. A new sender is one file and one row there.
"""
