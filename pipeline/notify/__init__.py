"""Notifications, sent from an outbox in the catalog: the end of a job to its hooks, events to the addresses of rules.

`look_loop` notices trouble, `routing` puts notices into the outbox by the rules of the settings, `delivery` claims what
is due and tries it until it is accepted or given up; a sender knows how a notification travels. `base` has the contract
of senders, `registry` the list of them. A new sender is one file and one row there. `deadman` calls a URL while all is
well.
"""
